"""The beginning and the end of an account."""
