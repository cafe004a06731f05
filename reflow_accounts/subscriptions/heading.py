"""What stands beside the heading of every account page: the team and its subscription."""

from reflow_accounts.identity.caller import me
from reflow_accounts.subscriptions.service import standing_of
from reflow_accounts.teams.service import memberships_of


def heading() -> dict[str, object]:
    """Return the user's first team and its standing; both None for a user without a team."""
    teams = [membership.team for membership in memberships_of(me())]
    if not teams:
        return {"team": None, "standing": None}
    return {"team": teams[0], "standing": standing_of(teams[0])}
