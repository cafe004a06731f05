"""Limits: how often somebody may try, counted in the database, the same on every node."""
