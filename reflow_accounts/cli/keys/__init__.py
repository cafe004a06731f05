"""API keys: lookup, creation, rotation, revocation, and the files for their secrets."""
