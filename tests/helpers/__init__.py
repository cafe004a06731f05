"""Servers, databases, clients and page checks for tests."""
