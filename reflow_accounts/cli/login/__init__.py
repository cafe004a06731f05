"""Login with a browser or a password, and the stored sessions."""
