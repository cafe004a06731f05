"""Support console: search for teams, people and keys, and the page of a team."""

from flask import Blueprint, flash, get_flashed_messages, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from reflow_accounts.activity.lines import written
from reflow_accounts.api_keys.service import live_key_counts
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.database import db
from reflow_accounts.marketplace.explanation import explain
from reflow_accounts.marketplace.reconcile import agreements_of, flags_of
from reflow_accounts.marketplace.waiting import purchases_without_team, waiting_purchases
from reflow_accounts.subscriptions.service import changes_of, has_active_subscription
from reflow_accounts.support import people, service
from reflow_accounts.support.effects import effects_of_buttons
from reflow_accounts.support.forms import KeyForm
from reflow_accounts.support.service import record_search
from reflow_accounts.teams.models import Team
from reflow_accounts.teams.service import members_of
from reflow_accounts.web import htmx
from reflow_accounts.web.filters import exact
from reflow_accounts.web.request_info import client
from reflow_accounts.web.text import holds_secret

pages = Blueprint("console", __name__)

Answer = str | Response | tuple[str, int]

_REFUSED = "secret-in-address"
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


@pages.get("")
def index() -> Answer:
    """Search teams and people. Redirect from a URL with a secret to one without."""
    query_text = request.args.get("q", "").strip()
    if holds_secret(query_text):
        flash("A secret was in the address", _REFUSED)
        address = url_for("support.console.index")
        return htmx.go_to(address) if htmx.is_htmx() else redirect(address, 303)
    # After that redirect nothing is searched for.
    if get_flashed_messages(category_filter=[_REFUSED]):
        return _page("", is_list=False)
    state = request.args.get("state", "")
    page = _page(
        query_text,
        state=state,
        unclaimed=purchases_without_team(),
        waiting=waiting_purchases(),
    )
    record_search(query_text, by=current_user(), address=client().address)
    db.session.commit()
    return page


@pages.get("/export")
def export() -> Answer:
    """Download the list of teams as CSV, with the search and the filter of the page. A secret is not searched for."""
    query_text, state = request.args.get("q", "").strip(), request.args.get("state", "")
    found = service.find_teams(query_text, by=current_user(), state=state, limit=service.MOST_EXPORTED)
    lines = [
        (
            row.team.name,
            row.team.public_id,
            row.standing.state,
            row.standing.licence_state or "",
            row.aws_account or "",
            row.attention,
            str(row.key_count),
            exact(row.last_request_at) if row.last_request_at else "",
        )
        for row in found
    ]
    response = Response(written([_HEADINGS, *lines]), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="reflow-teams.csv"'
    record_search(query_text, by=current_user(), address=client().address)
    db.session.commit()
    return response


@pages.post("/keys")
def look_up_key() -> Answer:
    """Show the owner of a key. The secret is in the form, so that URLs and logs do not contain it."""
    form = KeyForm()
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
    found = service.find_teams(query_text, by=current_user(), state=state, limit=most + 1)
    return {
        "q": query_text,
        "state": state,
        "is_list": True,
        "teams": found[:most],
        "is_cut_off": len(found) > most,
        "people": people.find_people(query_text),
    }


@pages.get("/teams/<team_id>")
def team(team_id: str) -> Answer:
    """Show a team: members, keys, subscription and its history."""
    found = service.team_of(team_id)
    members = members_of(found)
    counts = live_key_counts([user.id for user, _ in members])
    page = render_template(
        "support/team.html",
        members=[(user, rights, counts.get(user.id, 0)) for user, rights in members],
        keys=service.keys_of_members(found),
        **standing_part(found),
    )
    service.record_team_view(found, by=current_user(), address=client().address)
    db.session.commit()
    return page


def standing_part(found: Team) -> dict[str, object]:
    """Return the template variables of the part of the page that shows the subscription."""
    described = service.described(found, by=current_user())
    licences = described.standing.licences
    agreements = agreements_of(licences)
    return {
        "found": described,
        "why": explain(described.standing, agreements, for_staff=True),
        "effects": effects_of_buttons(described),
        "changes": changes_of(found),
        "agreements": agreements,
        "flags": {row.key: flags_of(row, agreements.get(row.agreement_id or "")) for row in licences},
    }
