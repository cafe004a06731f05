"""Logging in through a browser or with a password, and the sessions that are kept here."""
