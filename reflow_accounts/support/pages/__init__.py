"""The support console: search, a team, a user, and what support changes."""

from reflow_accounts.support.pages import subscription, users
from reflow_accounts.support.pages.teams import pages

# Importing `subscription` and `users` adds their views to `pages`.
__all__ = ["pages", "subscription", "users"]
