"""API keys: made, listed, renamed, revoked, checked, and every use of them recorded."""
