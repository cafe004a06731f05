"""API keys: lookup, creation, rotation, revocation, and where their secrets are written."""
