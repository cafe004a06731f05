"""Servers, databases, clients and page rules for tests."""
