"""The real server, killed and crowded."""
