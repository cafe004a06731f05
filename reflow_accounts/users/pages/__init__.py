"""The Profile tab, the change of the e-mail address, sign-up, and the deletion of an account."""

from reflow_accounts.users.pages import deletion, email, profile, sign_up
from reflow_accounts.users.pages.blueprints import account, account_deletion, public

# Named so that each module has added its views when the blueprints are registered.
__all__ = [
    "account",
    "account_deletion",
    "deletion",
    "email",
    "profile",
    "public",
    "sign_up",
]
