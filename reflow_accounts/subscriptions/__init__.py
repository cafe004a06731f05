"""Subscriptions of teams: licences from AWS, overrides by support, and the history of changes."""
