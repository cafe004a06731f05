"""The console's pages: search, one team, the dialog that changes a subscription."""

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from reflow_accounts.api_keys.service import live_key_counts
from reflow_accounts.errors import Conflict, ValidationFailed
from reflow_accounts.extensions import db
from reflow_accounts.identity.caller import me
from reflow_accounts.identity.models import User
from reflow_accounts.identity.step_up import ensure_recent_proof
from reflow_accounts.subscriptions.service import changes_of, standing_of
from reflow_accounts.support import service
from reflow_accounts.support.forms import SubscriptionForm
from reflow_accounts.teams.models import Rights, Team
from reflow_accounts.teams.service import members_of
from reflow_accounts.web import htmx
from reflow_accounts.web.client import client

pages = Blueprint("console", __name__)

Answer = str | Response | tuple[str, int]

LONGEST_NUMBER = 19


@pages.get("")
def index() -> Answer:
    """Search teams."""
    words = request.args.get("q", "").strip()
    return render_template("support/index.html", q=words, teams=service.find_teams(words))


@pages.get("/teams/<team_id>")
def team(team_id: str) -> Answer:
    """Show a team: members, subscription and why it is so."""
    found = service.team_of(team_id)
    members = members_of(found)
    page = render_template("support/team.html", members=_with_keys(members), **_standing(found))
    service.look_at(found, by=me(), address=client().address)
    db.session.commit()
    return page


@pages.get("/teams/<team_id>/subscription")
def subscription(team_id: str) -> Answer:
    """Ask for the reason of a change."""
    found = service.team_of(team_id)
    service.refuse_own_team(found, by=me())
    form = SubscriptionForm(request.args, seen=standing_of(found).version)
    return _ask(found, form)


@pages.post("/teams/<team_id>/subscription")
def change(team_id: str) -> Answer:
    """Activate or deactivate a team's subscription."""
    ensure_recent_proof()
    found = service.team_of(team_id)
    form = SubscriptionForm()
    seen = form.seen.data or ""
    try:
        service.set_active(
            found,
            _wanted(form),
            form.reason.data or "",
            by=me(),
            seen=int(seen) if seen.isdecimal() and len(seen) < LONGEST_NUMBER else None,
        )
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _ask(found, form), failed.status
    except Conflict as conflict:
        db.session.rollback()
        latest = next(iter(changes_of(found)), None)
        page = render_template("support/conflict.html", latest=latest, form=None, **_behind(found, form))
        return page, conflict.status
    db.session.commit()
    return _changed(found, form)


def _wanted(form: SubscriptionForm) -> bool:
    """Return the wanted end. Raises ValidationFailed unless the form says it plainly."""
    if form.active.data not in ("true", "false"):
        raise ValidationFailed(
            reason="Say whether to activate or deactivate: go back and use the button again"
        )
    return bool(form.active.data == "true")


def _ask(found: Team, form: SubscriptionForm) -> str:
    return render_template(
        "support/subscription.html",
        form=form,
        found=service.described(found),
        member_count=len(members_of(found)),
        active=form.active.data == "true",
        back=_back(found, form),
    )


def _changed(found: Team, form: SubscriptionForm) -> Response:
    message = f"Subscription for {found.name} is now {standing_of(found).state}."
    if not htmx.is_htmx():
        flash(message, "subscription-changed")
        return redirect(_back(found, form), 303)
    page = render_template("support/changed.html", **_behind(found, form))
    return htmx.close_dialog(make_response(page), message)


def _back(found: Team, form: SubscriptionForm) -> str:
    if form.origin.data == "team":
        return url_for("support.console.team", team_id=found.public_id)
    return url_for("support.console.index", q=form.q.data or None)


def _behind(found: Team, form: SubscriptionForm) -> dict[str, object]:
    """Gather what changes on the page behind the dialog: the team's standing, or the results."""
    words = form.q.data or ""
    if form.origin.data == "team":
        return {"part": "support/_standing.html", **_standing(found)}
    return {
        "part": "support/_results.html",
        "q": words,
        "teams": service.find_teams(words),
        "found": service.described(found),
    }


def _standing(found: Team) -> dict[str, object]:
    return {"found": service.described(found), "changes": changes_of(found)}


def _with_keys(members: list[tuple[User, Rights]]) -> list[tuple[User, Rights, int]]:
    counts = live_key_counts([user.id for user, _ in members])
    return [(user, rights, counts.get(user.id, 0)) for user, rights in members]
