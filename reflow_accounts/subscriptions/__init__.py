"""Subscriptions of teams: licences from AWS, overrides by support, and their changes."""
