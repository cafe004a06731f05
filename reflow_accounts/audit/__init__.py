"""Audit log: records of acts, and log lines about them."""
