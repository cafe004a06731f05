"""What stands beside the heading of every account page: the team and its subscription."""

from reflow_accounts.identity.caller import has_caller, me
from reflow_accounts.subscriptions.service import standings_of
from reflow_accounts.teams.service import memberships_of
from reflow_accounts.web.problems import is_database_away


def heading() -> dict[str, object]:
    """Return a team of the user with its standing: the first that is paid for, as keys need only one.

    Without a paid one it is the first; both are None for a user without a team, and on refusals.
    """
    if is_database_away() or not has_caller():
        return {"team": None, "standing": None}
    teams = [membership.team for membership in memberships_of(me())]
    if not teams:
        return {"team": None, "standing": None}
    standings = standings_of([team.id for team in teams])
    team = next((team for team in teams if standings[team.id].is_active), teams[0])
    return {"team": team, "standing": standings[team.id]}
