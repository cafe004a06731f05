"""The Subscription tab: whether the team is paid for, and why."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from reflow_accounts.auth.current_user import current_user
from reflow_accounts.subscriptions.service import changes_of, status_of
from reflow_accounts.teams.current import current_of
from reflow_accounts.teams.service import membership_of, memberships_of

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
