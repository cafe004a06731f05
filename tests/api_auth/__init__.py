"""The API door: credentials, uses, hostile input."""
