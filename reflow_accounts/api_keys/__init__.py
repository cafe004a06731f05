"""API keys: create, list, rename, rotate and revoke them, and record their uses."""
