"""What stands beside the heading of every account page: the team and its subscription."""

from reflow_accounts.identity.caller import has_caller, me
from reflow_accounts.subscriptions.service import standing_of
from reflow_accounts.teams.service import memberships_of
from reflow_accounts.web.problems import is_database_away


def heading() -> dict[str, object]:
    """Return the user's first team and its standing; both None without a team, and on refusals."""
    if is_database_away() or not has_caller():
        return {"team": None, "standing": None}
    teams = [membership.team for membership in memberships_of(me())]
    if not teams:
        return {"team": None, "standing": None}
    return {"team": teams[0], "standing": standing_of(teams[0])}
