"""The console's pages: search, one team, the dialog that changes a subscription."""

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from reflow_accounts.api_keys.service import live_key_counts
from reflow_accounts.errors import Conflict, DomainError, ValidationFailed
from reflow_accounts.extensions import db
from reflow_accounts.identity.caller import me
from reflow_accounts.identity.models import User
from reflow_accounts.subscriptions.service import changes_of, standing_of
from reflow_accounts.support import service
from reflow_accounts.support.forms import SubscriptionForm
from reflow_accounts.teams.models import Rights, Team
from reflow_accounts.teams.service import members_of
from reflow_accounts.web import htmx
from reflow_accounts.web.client import client

pages = Blueprint("console", __name__)

Answer = str | Response | tuple[str, int]


@pages.get("")
def index() -> Answer:
    """Search teams."""
    words = request.args.get("q", "").strip()
    return render_template("support/index.html", q=words, teams=service.find_teams(words))


@pages.get("/teams/<team_id>")
def team(team_id: str) -> Answer:
    """Show a team: members, subscription and why it is so."""
    found = service.team_of(team_id)
    page = render_template(
        "support/team.html",
        found=service.described(found),
        members=_members(found),
        changes=changes_of(found),
    )
    service.look_at(found, by=me(), address=client().address)
    db.session.commit()
    return page


@pages.get("/teams/<team_id>/subscription")
def subscription(team_id: str) -> Answer:
    """Ask for the reason of a change."""
    found = service.team_of(team_id)
    form = SubscriptionForm(request.args, seen=standing_of(found).version)
    return _ask(found, form)


@pages.post("/teams/<team_id>/subscription")
def change(team_id: str) -> Answer:
    """Activate or deactivate a team's subscription."""
    found = service.team_of(team_id)
    form = SubscriptionForm()
    active, seen = form.active.data == "true", form.seen.data or ""
    try:
        service.set_active(
            found, active, form.reason.data or "", by=me(), seen=int(seen) if _is_number(seen) else None
        )
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _ask(found, form, failed)
    except Conflict as conflict:
        db.session.rollback()
        shown = {"found": found, "change": changes_of(found)[0], "form": None}
        return render_template("support/conflict.html", **shown, **_results(form)), conflict.status
    db.session.commit()
    return _changed(found, active, form)


def _members(found: Team) -> list[tuple[User, Rights, int]]:
    members = members_of(found)
    counts = live_key_counts([user.id for user, _ in members])
    return [(user, rights, counts[user.id]) for user, rights in members]


def _is_number(text: str) -> bool:
    # Longer ones are no version of ours, and Python refuses to read very long ones.
    return text.isdecimal() and len(text) < 10


def _ask(found: Team, form: SubscriptionForm, failed: DomainError | None = None) -> tuple[str, int]:
    page = render_template(
        "support/subscription.html",
        form=form,
        found=service.described(found),
        member_count=len(members_of(found)),
        active=form.active.data == "true",
    )
    return page, failed.status if failed else 200


def _changed(found: Team, active: bool, form: SubscriptionForm) -> Response:
    state = "active" if active else "inactive"
    message = f"Subscription for {found.name} is now {state}."
    if not htmx.is_htmx():
        flash(message, "subscription-changed")
        return redirect(url_for("support.console.index", q=form.q.data or None), 303)
    return htmx.close_dialog(
        make_response(render_template("support/changed.html", **_results(form))), message
    )


def _results(form: SubscriptionForm) -> dict[str, object]:
    words = form.q.data or ""
    return {"q": words, "teams": service.find_teams(words)}
