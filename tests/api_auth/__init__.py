"""The key check of the JSON API: credentials, uses, hostile input."""
