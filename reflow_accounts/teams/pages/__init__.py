"""The Team tab: the current team, its members, invitations and service accounts; and the page behind an invitation."""

from reflow_accounts.teams.pages import invitations, joining, leaving, members, service_accounts, tab
from reflow_accounts.teams.pages.blueprints import account, public, service_account_pages

# Named so that each module has added its views when the blueprints are registered.
__all__ = [
    "account",
    "invitations",
    "joining",
    "leaving",
    "members",
    "public",
    "service_account_pages",
    "service_accounts",
    "tab",
]
