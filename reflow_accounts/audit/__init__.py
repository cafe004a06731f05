"""Audit log: recorded events, and log lines about them."""
