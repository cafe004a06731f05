"""API keys: secrets, names, uses, the table."""
