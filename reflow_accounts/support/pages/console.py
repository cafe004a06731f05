"""Support console: search for teams, people and keys; the pages of a team and of a user."""

from flask import Blueprint, flash, get_flashed_messages, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response
from wtforms import StringField

from reflow_accounts.activity.export import csv_lines
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.service import KeyState, keys_page, with_usage_counts
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.second_factor import has_second_factor
from reflow_accounts.auth.sessions import count_live_sessions, live_sessions_of
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.marketplace.explanation import explain
from reflow_accounts.marketplace.reconcile import (
    agreements_of,
    flags_of,
    purchases_without_team,
    waiting_purchases,
)
from reflow_accounts.subscriptions.service import end_of_activation, has_active_subscription
from reflow_accounts.support import people, service
from reflow_accounts.support.effects import effects_of_buttons
from reflow_accounts.support.service import MOST_RESULTS, record_search
from reflow_accounts.teams.models import Team
from reflow_accounts.teams.service import memberships_of
from reflow_accounts.users.models import User
from reflow_accounts.web import htmx
from reflow_accounts.web.filters import exact
from reflow_accounts.web.request_info import client
from reflow_accounts.web.request_input import Form
from reflow_accounts.web.text import holds_secret

blueprint = Blueprint("console", __name__)

_SEARCH_REFUSED = "secret-in-address"
_HEADINGS = (
    "Team",
    "Team ID",
    "Subscription",
    "AWS says",
    "AWS account",
    "Needs attention",
    "API keys",
    "Last request",
)


class ReasonForm(Form):
    """The reason for an action on a user or key."""

    reason = StringField("Reason")


class KeySearchForm(Form):
    """Looks up the owner of a pasted key."""

    api_key = StringField("Find an API key")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Search teams and people. Redirect from a URL with a secret to one without."""
    query_text = request.args.get("q", "").strip()
    if holds_secret(query_text):
        flash("A secret was in the address", _SEARCH_REFUSED)
        return htmx.go_to(url_for("support.console.index"))
    # No search after that redirect.
    if get_flashed_messages(category_filter=[_SEARCH_REFUSED]):
        return _page("", is_list=False)
    state = request.args.get("state", "")
    page = _page(
        query_text,
        state=state,
        unclaimed=purchases_without_team(),
        waiting=waiting_purchases(),
        most_listed=MOST_RESULTS,
    )
    record_search(query_text, by=current_user(), address=client().address)
    db.session.commit()
    return page


@blueprint.get("/export")
def export() -> ResponseReturnValue:
    """Download the list of teams as CSV, with the search and the filter of the page. A secret matches nothing."""
    query_text, state = request.args.get("q", "").strip(), request.args.get("state", "")
    teams = service.find_teams(query_text, by=current_user(), state=state, limit=service.MOST_EXPORTED)
    lines = [
        (
            row.team.name,
            row.team.public_id,
            row.status.state,
            row.status.licence_state or "",
            row.aws_account or "",
            row.attention,
            str(row.key_count),
            exact(row.last_request_at) if row.last_request_at else "",
        )
        for row in teams
    ]
    response = Response(csv_lines([_HEADINGS, *lines]), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="reflow-teams.csv"'
    record_search(query_text, by=current_user(), address=client().address)
    db.session.commit()
    return response


@blueprint.post("/keys")
def look_up_key() -> ResponseReturnValue:
    """Show the owner of a key. The secret is in the form, so that URLs and logs do not contain it."""
    form = KeySearchForm()
    key = people.look_up_key(form.api_key.data or "", by=current_user(), client=client())
    page = _page(
        "",
        is_list=False,
        was_looked_up=True,
        key=key,
        is_expired=key is not None and key.has_expired,
        is_refused=key is not None and not has_active_subscription(key.user),
    )
    db.session.commit()
    return page


def _page(query_text: str, *, state: str = "", is_list: bool = True, **more: object) -> str:
    results = results_part(query_text, state) if is_list else {"q": query_text}
    return render_template("support/index.html", **results, **more)


def results_part(query_text: str, state: str) -> dict[str, object]:
    """Return the template variables of the part of the page that lists teams and people."""
    most = service.MOST_RESULTS
    teams = service.find_teams(query_text, by=current_user(), state=state, limit=most + 1)
    return {
        "q": query_text,
        "state": state,
        "is_list": True,
        "teams": teams[:most],
        "is_cut_off": len(teams) > most,
        "people": people.find_people(query_text),
    }


@blueprint.get("/teams/<team_id>")
def show_team(team_id: str) -> ResponseReturnValue:
    """Show a team: members, keys, subscription and its history."""
    team = service.team_of(team_id)
    cursor, members_cursor = request.args.get("cursor"), request.args.get("members")
    page = render_template(
        "support/team.html",
        members=service.members_page(team, cursor=members_cursor),
        members_cursor=members_cursor,
        page=service.keys_of_members_page(team, cursor=cursor),
        cursor=cursor,
        **subscription_part(team),
    )
    service.record_team_view(team, by=current_user(), address=client().address)
    db.session.commit()
    return page


def subscription_part(team: Team) -> dict[str, object]:
    """Return the template variables of the part of the page that shows the subscription."""
    console_team = service.describe_team(team, by=current_user())
    licences = console_team.status.licences
    agreements = agreements_of(licences)
    changes_cursor = request.args.get("changes")
    return {
        "console_team": console_team,
        "why": explain(
            console_team.status,
            agreements,
            for_staff=True,
            activation_ended_at=end_of_activation(team, console_team.status),
        ),
        "effects": effects_of_buttons(console_team),
        "changes": service.changes_page(team, cursor=changes_cursor),
        "changes_cursor": changes_cursor,
        "agreements": agreements,
        "flags": {row.key: flags_of(row, agreements.get(row.agreement_id or "")) for row in licences},
    }


@blueprint.get("/users/<user_id>")
def show_user(user_id: str) -> ResponseReturnValue:
    """Show a user."""
    user, cursor = people.user_of(user_id), request.args.get("cursor")
    page = render_template(
        "support/user.html",
        account=user,
        memberships=memberships_of(user),
        sessions=live_sessions_of(user, limit=MOST_RESULTS),
        session_count=count_live_sessions(user),
        page=keys_page(user, state=KeyState.ALL, cursor=cursor),
        cursor=cursor,
        has_second_factor=has_second_factor(user),
    )
    people.record_user_view(user, by=current_user(), client=client())
    db.session.commit()
    return page


@blueprint.get("/users/<user_id>/sessions/end")
def ask_to_end_sessions(user_id: str) -> ResponseReturnValue:
    """Ask for the reason."""
    user = people.user_of(user_id)
    people.refuse_oneself(user, by=current_user())
    return _ask_about_sessions(user, ReasonForm(formdata=None))


@blueprint.post("/users/<user_id>/sessions/end")
def end_sessions(user_id: str) -> ResponseReturnValue:
    """End all sessions of a user."""
    ensure_recent_proof()
    user, form = people.user_of(user_id), ReasonForm()
    try:
        count = people.end_sessions(user, form.reason.data or "", by=current_user(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _ask_about_sessions(user, form), failed.status
    db.session.commit()
    return _redirect_to_user(user, f"{count} session{'' if count == 1 else 's'} of {user.full_name} ended.")


@blueprint.get("/keys/<key_id>/revocation")
def ask_to_revoke(key_id: str) -> ResponseReturnValue:
    """Ask for the reason."""
    key = people.key_of(key_id)
    people.refuse_oneself(key.user, by=current_user())
    return _ask_about_key(key, ReasonForm(formdata=None))


@blueprint.post("/keys/<key_id>/revocation")
def revoke_key(key_id: str) -> ResponseReturnValue:
    """Revoke a key of a user and mail the reason."""
    ensure_recent_proof()
    key, form = people.key_of(key_id), ReasonForm()
    try:
        was_live = people.revoke_key(key, form.reason.data or "", by=current_user(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _ask_about_key(key, form), failed.status
    db.session.commit()
    return _redirect_to_user(
        key.user, f"Key {key.name} revoked." if was_live else f"{key.name} was already revoked."
    )


def _ask_about_sessions(user: User, form: ReasonForm) -> str:
    count = count_live_sessions(user)
    return render_template("support/sessions_end.html", account=user, form=form, count=count)


def _ask_about_key(key: ApiKey, form: ReasonForm) -> str:
    row = with_usage_counts([key])[0]
    return render_template("support/key_revocation.html", account=key.user, form=form, row=row)


def _redirect_to_user(user: User, message: str) -> Response:
    flash(message, "user-changed")
    return redirect(url_for("support.console.show_user", user_id=user.public_id), 303)
