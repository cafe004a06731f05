"""Signing up, and deleting one's account."""

from reflow_accounts.accounts.pages import deletion, sign_up
from reflow_accounts.accounts.pages.blueprints import account, public

# Named so that each module has added its views when a door hangs up the blueprints.
__all__ = ["account", "deletion", "public", "sign_up"]
