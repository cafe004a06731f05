"""Authentication of API requests: credentials, uses, hostile input."""
