"""The pages of keys: the API Keys tab, the keys of a service account, and keys whose secret was never shown."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms.fields.choices import SelectChoice

from reflow_accounts.api_keys import service
from reflow_accounts.api_keys.forms import KeyForm, OwnKeyForm
from reflow_accounts.api_keys.lifecycle import restore
from reflow_accounts.api_keys.models import ApiKey, Revocation
from reflow_accounts.api_keys.pages import shared
from reflow_accounts.api_keys.pages.shared import Context, refusal_page, reveal, table_of
from reflow_accounts.api_keys.refused_requests import latest_attempts_with, refusals_of
from reflow_accounts.api_keys.table import previous_keys, sparklines_of
from reflow_accounts.api_keys.usage.clients import usage_summary_of
from reflow_accounts.api_keys.usage.queries import uses_of
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import events_of_form
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, NotFound, SubscriptionInactive, ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.subscriptions.service import has_active_subscription
from reflow_accounts.teams.models import Rights, Team
from reflow_accounts.teams.service import admin_membership_of, current_among, memberships_of
from reflow_accounts.teams.service_accounts import live_account_of, rights_of, usable_accounts_of
from reflow_accounts.users.models import User
from reflow_accounts.web import htmx
from reflow_accounts.web.redirects import origin
from reflow_accounts.web.request_info import client
from reflow_accounts.web.text import zone_of

own_keys = Blueprint("api_keys", __name__, url_prefix="/api-keys")
outcome = Blueprint("outcome", __name__, url_prefix="/outcome")
account_keys = Blueprint(
    "service_account_keys", __name__, url_prefix="/teams/<team_id>/service-accounts/<account_id>"
)

LATEST_USES = 10
# The reason, after the word "Revoked".
_REVOKED_BY = {
    Revocation.OWNER: "by its owner",
    Revocation.SUPPORT: "by support",
    Revocation.DELETION: "with its account",
}
_SHOWING_A_SECRET = (Action.KEY_CREATED, Action.KEY_ROTATED)


@own_keys.get("")
def index() -> ResponseReturnValue:
    """List the keys."""
    return shared.show("api_keys/index.html", _own_context())


@own_keys.get("/new")
def new() -> ResponseReturnValue:
    """Show the form for a new key."""
    return shared.ask_for_name(_own_context(), _form(usable_accounts_of(current_user()), formdata=None))


@own_keys.post("")
def create() -> ResponseReturnValue:
    """Create a key and show its secret once."""
    accounts = usable_accounts_of(current_user())
    return shared.create(_own_context(), _form(accounts), {user.public_id: user for _, user in accounts})


def _own_context() -> Context:
    owner, list_url = current_user(), url_for("account.api_keys.index")
    memberships = memberships_of(owner)
    admin_memberships = [membership for membership in memberships if membership.rights == Rights.ADMIN]
    if len(admin_memberships) > 1:
        # If the current team is among them, only that team is offered a key for CI.
        current = current_among(memberships)
        admin_memberships = [
            membership for membership in admin_memberships if membership == current
        ] or admin_memberships
    return {
        "owner": owner,
        "is_own": True,
        "tab": "api-keys",
        "list_url": list_url,
        "keys_url": list_url,
        "activity_url": url_for("account.activity.index"),
        "ci_teams": [membership.team for membership in admin_memberships],
    }


def _form(accounts: list[tuple[Team, User]], **options: None) -> OwnKeyForm:
    """Return the form, with these service accounts as further owners to choose from."""
    form, has_one_team = OwnKeyForm(**options), len({team.id for team, _ in accounts}) == 1
    form.owner.choices += [
        SelectChoice(user.public_id, user.full_name if has_one_team else f"{user.full_name} ({team.name})")
        for team, user in accounts
    ]
    return form


@account_keys.get("")
def show(team_id: str, account_id: str) -> ResponseReturnValue:
    """Show a service account with its keys."""
    context = _account_context(team_id, account_id)
    more = {"rights": rights_of(context["owner"]), "server": origin()}
    return shared.show("api_keys/service_account.html", context, **more)


@account_keys.get("/keys/new")
def new_key(team_id: str, account_id: str) -> ResponseReturnValue:
    """Show the form for a new key."""
    return shared.ask_for_name(_account_context(team_id, account_id), KeyForm(formdata=None))


@account_keys.post("/keys")
def create_key(team_id: str, account_id: str) -> ResponseReturnValue:
    """Create a key and show its secret once."""
    return shared.create(_account_context(team_id, account_id), KeyForm())


def _account_context(team_id: str, account_id: str) -> Context:
    """Return the context of an Admin's pages of a service account that is not deleted."""
    membership = admin_membership_of(current_user(), team_id)
    account = live_account_of(membership.team, account_id)
    list_url = url_for("account.service_account_keys.show", team_id=team_id, account_id=account_id)
    return {
        "owner": account,
        "is_own": False,
        "tab": "team",
        "list_url": list_url,
        "keys_url": f"{list_url}/keys",
        "activity_url": url_for("account.activity.index", account=account_id, team=team_id),
        "membership": membership,
        "account": account,
    }


def show_key(context: Context, key_id: str) -> ResponseReturnValue:
    """Show a key of the owner, live or not."""
    key = service.key_of(context["owner"], key_id)
    row = service.with_usage_counts([key])[0]
    separator = "&" if "?" in context["activity_url"] else "?"
    return render_template(
        "api_keys/key.html",
        **context,
        row=row,
        key=key,
        sparkline=sparklines_of([key.id], zone_of(current_user().time_zone))[key.id],
        summary=usage_summary_of(key),
        previous=previous_keys([key.id]),
        revoked_by=_REVOKED_BY.get(Revocation(key.revoked_for), "") if key.revoked_for else "",
        is_active=has_active_subscription(key.user),
        refusals=refusals_of(key),
        attempts=latest_attempts_with(key),
        uses=uses_of([key.id], limit=LATEST_USES),
        uses_url=f"{context['activity_url']}{separator}{urlencode({'key': key.public_id})}",
    )


def restore_key(context: Context, key_id: str) -> ResponseReturnValue:
    """Restore a key that its owner revoked in the last 24 hours, and show its page."""
    ensure_recent_proof()
    key = service.key_of(context["owner"], key_id)
    try:
        restore(key, by=current_user(), client=client())
    except Conflict as conflict:
        db.session.rollback()
        return refusal_page(context, "Restore key", conflict)
    db.session.commit()
    flash(key.name, "key-restored")
    return redirect(f"{context['keys_url']}/{key.public_id}", 303)


@outcome.get("")
def show_outcome() -> dict[str, Any]:
    """Return whether the form with this nonce was processed, and the id of the key that it created, if any."""
    events = events_of_form(request.args.get("nonce", ""), by=current_user())
    keys = [event.details["key"] for event in events if event.action in _SHOWING_A_SECRET]
    return {"done": bool(events), "key": keys[0] if keys else None}


def ask_to_replace(context: Context, key_id: str) -> ResponseReturnValue:
    """Explain that the key exists although its secret was not shown, and offer to replace it.

    The address stays in the history of the browser: a key that was replaced or used since is shown instead.
    """
    key = _key_of(context, key_id)
    if key.revoked_at or service.with_usage_counts([key])[0].usage.count:
        is_owners = key.user == context["owner"]
        keys_url = context["keys_url"] if is_owners else f"{shared.list_url_of(key.user)}/keys"
        return htmx.go_to(f"{keys_url}/{key.public_id}")
    table = table_of(context["owner"])
    return render_template(
        "api_keys/replacement.html", **context | table, new_key=key, form=KeyForm(formdata=None)
    )


def replace(context: Context, key_id: str) -> ResponseReturnValue:
    """Revoke a key, create another of the same name and show its secret once."""
    ensure_recent_proof()
    rate_limits.hit("create-key", account=current_user().public_id)
    key, form = _key_of(context, key_id), KeyForm()
    try:
        service.revoke_key(key, by=current_user(), client=client())
        new, secret = service.issue(
            key.user,
            key.name,
            by=current_user(),
            client=client(),
            expires_at=key.expires_at,
            nonce=form.nonce.data or "",
            is_canary=key.is_canary,
            instead_of=key,
        )
    except (Conflict, SubscriptionInactive, ValidationFailed) as error:
        db.session.rollback()
        return refusal_page(context, "Create another key", error)
    db.session.commit()
    return reveal(context, new, secret)


def _key_of(context: Context, key_id: str) -> ApiKey:
    """Return a key of the owner; on a person's pages also one of a service account that the person manages."""
    accounts = [user for _, user in usable_accounts_of(current_user())] if context["is_own"] else []
    for owner in (context["owner"], *accounts):
        with suppress(NotFound):
            return service.key_of(owner, key_id)
    raise NotFound("There is no API key with this id.")


# The pages of one key.
_VIEWS: tuple[tuple[str, str, Callable[[Context, str], ResponseReturnValue]], ...] = (
    ("GET", "", show_key),
    ("POST", "/restoration", restore_key),
    ("GET", "/revocation", shared.ask_to_revoke),
    ("POST", "/revocation", shared.revoke),
    ("GET", "/rotation", shared.ask_to_rotate),
    ("POST", "/rotation", shared.rotate_key),
    ("GET", "/replacement", ask_to_replace),
    ("POST", "/replacement", replace),
)


def _add_views(blueprint: Blueprint, prefix: str, context_of: Callable[..., Context]) -> None:
    """Add the views of one key below `prefix`; `context_of` takes the arguments in the URL of the blueprint."""
    for method, path, view in _VIEWS:

        def key_view(
            key_id: str, view: Callable[[Context, str], ResponseReturnValue] = view, **owner: str
        ) -> ResponseReturnValue:
            return view(context_of(**owner), key_id)

        blueprint.add_url_rule(f"{prefix}/<key_id>{path}", view.__name__, key_view, methods=[method])


_add_views(own_keys, "", _own_context)
_add_views(account_keys, "/keys", _account_context)
