"""The Subscription tab: whether the team is paid for, and why."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from reflow_accounts.auth.current_user import current_user, has_caller
from reflow_accounts.subscriptions.service import changes_of, status_of
from reflow_accounts.teams.current import current_among, current_of
from reflow_accounts.teams.models import Membership
from reflow_accounts.teams.service import membership_of, memberships_of
from reflow_accounts.web.error_handlers import is_database_away

pages = Blueprint("subscription", __name__)


@pages.get("/subscription")
def show() -> str | Response:
    """Show the subscription of the current team, or of the one that the address names."""
    wanted = request.args.get("team")
    membership = membership_of(current_user(), wanted) if wanted else current_of(current_user())
    if membership is None:
        if memberships_of(current_user()):
            return redirect(url_for("account.team.ask_for_choice"), 303)
        return render_template("subscriptions/no_team.html")
    standing = status_of(membership.team)
    return render_template(
        "subscriptions/index.html",
        shown_team=membership.team,
        membership=membership,
        shown=standing,
        latest=next(iter(changes_of(membership.team)), None),
    )


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
