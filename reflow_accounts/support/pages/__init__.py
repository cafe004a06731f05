"""The console's pages: search, a team, a user, and what support changes of them."""

from reflow_accounts.support.pages import search, subscription, team, user
from reflow_accounts.support.pages.blueprints import pages

# Named so that each module has added its views when the blueprint is registered.
__all__ = ["pages", "search", "subscription", "team", "user"]
