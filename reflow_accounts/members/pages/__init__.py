"""The Team tab: the current team, its members and invitations; and the page behind an invitation."""

from reflow_accounts.members.pages import invitations, joining, leaving, members, tab
from reflow_accounts.members.pages.blueprints import account, public

# Named so that each module has added its views when a door hangs up the blueprints.
__all__ = ["account", "invitations", "joining", "leaving", "members", "public", "tab"]
