"""What operators type at the server's own terminal."""
