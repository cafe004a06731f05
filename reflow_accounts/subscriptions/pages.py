"""The Subscription tab, and the context processor of account pages."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from reflow_accounts.auth.current_user import current_user, has_caller
from reflow_accounts.marketplace.chains import awaits_renewal
from reflow_accounts.marketplace.explanation import explain
from reflow_accounts.marketplace.reconcile import agreements_of
from reflow_accounts.subscriptions.service import changes_of, end_of_activation, status_of
from reflow_accounts.teams.models import Rights
from reflow_accounts.teams.service import current_among, current_of, membership_of, memberships_of
from reflow_accounts.web.error_handlers import is_database_away
from reflow_accounts.web.text import zone_of

pages = Blueprint("subscription", __name__)


@pages.get("/subscription")
def show() -> str | Response:
    """Show the subscription of the team in the query, or else of the current team."""
    team_id = request.args.get("team")
    membership = membership_of(current_user(), team_id) if team_id else current_of(current_user())
    if membership is None:
        if memberships_of(current_user()):
            return redirect(url_for("account.team.ask_for_choice", next=request.path), 303)
        return render_template("subscriptions/no_team.html")
    status, zone = status_of(membership.team), zone_of(current_user().time_zone)
    is_admin = membership.rights == Rights.ADMIN
    return render_template(
        "subscriptions/index.html",
        shown_team=membership.team,
        membership=membership,
        shown=status,
        awaits_renewal=status.licence is not None and awaits_renewal(status.licence),
        why=explain(status, agreements_of(status.licences), zone=zone) if is_admin else None,
        activation_ended_at=end_of_activation(membership.team, status),
        latest=next(iter(changes_of(membership.team, limit=1)), None),
    )


def team_and_subscription() -> dict[str, object]:
    """Return the team of the page, its subscription status, and the number of the user's teams.

    The team is the one in the URL, or else the current one. Team and status are None for a user without a
    team, or who has not chosen one of several, and on error pages.
    """
    if is_database_away() or not has_caller():
        return {"team": None, "current_subscription": None, "team_count": 0}
    memberships = memberships_of(current_user())
    team_id = (request.view_args or {}).get("team_id") or request.args.get("team")
    requested_membership = next((row for row in memberships if row.team.public_id == team_id), None)
    membership = requested_membership or current_among(memberships)
    team = membership.team if membership else None
    return {
        "team": team,
        "current_subscription": status_of(team) if team else None,
        "team_count": len(memberships),
    }
