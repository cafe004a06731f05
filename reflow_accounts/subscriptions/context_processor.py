"""What every account page is given: the team that is shown, and its subscription."""

from flask import request

from reflow_accounts.auth.current_user import current_user, has_caller
from reflow_accounts.subscriptions.service import status_of
from reflow_accounts.teams.current import current_among
from reflow_accounts.teams.models import Membership
from reflow_accounts.teams.service import memberships_of
from reflow_accounts.web.error_handlers import is_database_away


def team_and_subscription() -> dict[str, object]:
    """Return the team that the page is about, its standing, and how many teams the user has.

    It is the one that the address names, else the current one; none is guessed. Team and standing are
    None for a user without a team or with several and no choice, and on refusals.
    """
    if is_database_away() or not has_caller():
        return {"team": None, "standing": None, "team_count": 0}
    mine = memberships_of(current_user())
    shown = _named_in_address(mine) or current_among(mine)
    team = shown.team if shown else None
    return {"team": team, "standing": status_of(team) if team else None, "team_count": len(mine)}


def _named_in_address(mine: list[Membership]) -> Membership | None:
    wanted = (request.view_args or {}).get("team_id") or request.args.get("team")
    return next((membership for membership in mine if membership.team.public_id == wanted), None)
