"""The Subscription tab: whether the team is paid for, and why."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from reflow_accounts.identity.caller import me
from reflow_accounts.subscriptions.service import changes_of, standing_of
from reflow_accounts.teams.current import current_of
from reflow_accounts.teams.service import membership_of, memberships_of

pages = Blueprint("subscription", __name__)


@pages.get("/subscription")
def show() -> str | Response:
    """Show the subscription of the current team, or of the one that the address names."""
    wanted = request.args.get("team")
    membership = membership_of(me(), wanted) if wanted else current_of(me())
    if membership is None:
        if memberships_of(me()):
            return redirect(url_for("account.team.ask_for_choice"), 303)
        return render_template("subscriptions/no_team.html")
    standing = standing_of(membership.team)
    return render_template(
        "subscriptions/index.html",
        shown_team=membership.team,
        membership=membership,
        shown=standing,
        latest=next(iter(changes_of(membership.team)), None),
    )
