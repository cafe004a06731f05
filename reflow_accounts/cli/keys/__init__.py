"""API keys: chosen, made, handed over, rotated, revoked; and the files that hold them."""
