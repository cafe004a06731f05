"""Subscriptions: the gate in front of API keys."""
