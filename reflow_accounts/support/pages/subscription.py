"""Support console: the dialog that overrides the subscription of a team."""

from datetime import UTC, datetime, time, timedelta

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField, HiddenField, StringField

from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db, now
from reflow_accounts.errors import Conflict, ValidationFailed
from reflow_accounts.subscriptions.overrides import DAYS_OF_OVERRIDE
from reflow_accounts.subscriptions.service import changes_of, status_of
from reflow_accounts.support import service
from reflow_accounts.support.effects import effect_of, effects_of
from reflow_accounts.support.pages.console import results_part, subscription_part
from reflow_accounts.support.service import record_search
from reflow_accounts.teams.models import Team
from reflow_accounts.web import htmx
from reflow_accounts.web.request_info import client
from reflow_accounts.web.request_input import Form
from reflow_accounts.web.text import holds_secret

blueprint = Blueprint("subscription", __name__)

LONGEST_NUMBER = 19
_ACTIONS = ("true", "false", "aws")


class SubscriptionForm(Form):
    """`active` is true, false, or aws for no override; `seen` is the version that the user has seen.

    `until` is the first day after the override (UTC). `origin`, `q` and `state` are the page to return to: that of
    the team if `origin` is "team", else the search for `q` and `state`.
    """

    reason = StringField("Reason")
    until = DateField("Until")
    ticket = StringField("Ticket")
    active = HiddenField()
    seen = HiddenField()
    q = HiddenField(filters=[lambda value: "" if not value or holds_secret(value) else value])
    state = HiddenField()
    origin = HiddenField()


@blueprint.get("/teams/<team_id>/subscription")
def show(team_id: str) -> ResponseReturnValue:
    """Ask for the reason and the end of an override."""
    team = service.team_of(team_id)
    service.refuse_own_team(team, by=current_user())
    status = status_of(team)
    form = SubscriptionForm(request.args, seen=status.version)
    # Then activation only ends a deactivating override.
    is_enough_to_lift = not status.is_active and status.is_active_by_aws_for_good
    if form.active.data == "true" and not form.until.data and not is_enough_to_lift:
        form.until.data = (now() + timedelta(days=DAYS_OF_OVERRIDE)).date()
    end = status.override.expires_at if status.override else None
    if form.active.data == "false" and not status.is_active and not form.until.data and end:
        form.until.data = end.date()  # so that a change of the reason keeps it
    return _render_form(team, form)


@blueprint.post("/teams/<team_id>/subscription")
def change(team_id: str) -> ResponseReturnValue:
    """Override a subscription as active or inactive, or end the override."""
    ensure_recent_proof()
    team = service.team_of(team_id)
    form, before = SubscriptionForm(), status_of(team).state
    try:
        is_changed = _decide(team, form)
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _render_form(team, form), failed.status
    except Conflict as conflict:
        # No rollback: an override that has ended was recorded as such, and that may be the conflict.
        latest = next(iter(changes_of(team, limit=1)), None)
        page = render_template(
            "support/conflict.html", latest=latest, form=None, **_background_part(team, form)
        )
        _record_views(team, form)
        db.session.commit()
        return page, conflict.status
    if not is_changed:
        _record_views(team, form)
    db.session.commit()
    state = status_of(team).state
    message = f"Subscription for {team.name} {'stays' if state == before else 'is now'} {state}."
    if not htmx.is_part():
        flash(message, "subscription-changed")
        return redirect(_back_url(team, form), 303)
    page = render_template("support/changed.html", message=message, **_background_part(team, form))
    return htmx.close_dialog(make_response(page), message)


def _decide(team: Team, form: SubscriptionForm) -> bool:
    """Apply the form and return whether anything changed. Raises ValidationFailed for a bad form."""
    if form.active.data not in _ACTIONS:
        raise ValidationFailed(
            reason="Say whether to activate or deactivate: go back and use the button again"
        )
    seen_version = form.seen.data or ""
    version = int(seen_version) if seen_version.isdecimal() and len(seen_version) < LONGEST_NUMBER else None
    if form.active.data == "aws":
        return service.lift(team, form.reason.data or "", by=current_user(), version=version)
    until = None
    if form.until.data:
        # The start of the chosen day.
        until = datetime.combine(form.until.data, time(), UTC)
    elif (form.until.raw_data or [""])[0]:
        raise ValidationFailed(until="Write the day as YYYY-MM-DD, or leave it empty")
    return service.set_active(
        team,
        form.active.data == "true",
        form.reason.data or "",
        by=current_user(),
        version=version,
        until=until,
        ticket=form.ticket.data or "",
    )


def _render_form(team: Team, form: SubscriptionForm) -> str:
    console_team = service.describe_team(team, by=current_user())
    page = render_template(
        "support/subscription.html",
        form=form,
        console_team=console_team,
        effect=effect_of(console_team, form.active.data or "false", effects_of(team)),
        choice=form.active.data,
        tomorrow=(now() + timedelta(days=1)).date(),
        back=_back_url(team, form),
    )
    service.record_team_view(team, by=current_user(), address=client().address)
    db.session.commit()
    return page


def _record_views(team: Team, form: SubscriptionForm) -> None:
    """Record what a response without a change shows: the team, and the search results."""
    service.record_team_view(team, by=current_user(), address=client().address)
    if form.origin.data != "team":
        record_search(form.q.data or "", by=current_user(), address=client().address)


def _back_url(team: Team, form: SubscriptionForm) -> str:
    if form.origin.data == "team":
        return url_for("support.console.show_team", team_id=team.public_id)
    return url_for("support.console.index", q=form.q.data or None, state=form.state.data or None)


def _background_part(team: Team, form: SubscriptionForm) -> dict[str, object]:
    """Return the template variables of the page behind the dialog: a team, or search results."""
    if form.origin.data == "team":
        return {"part": "support/_subscription.html", **subscription_part(team)}
    return {
        "part": "support/_results.html",
        **results_part(form.q.data or "", form.state.data or ""),
        "console_team": service.describe_team(team, by=current_user()),
    }
