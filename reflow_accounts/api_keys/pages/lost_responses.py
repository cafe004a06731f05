"""Recovery from lost responses: the outcome of a form, and a replacement for a key whose secret was never shown."""

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from flask import Blueprint, render_template, request

from reflow_accounts.api_keys import service, service_accounts
from reflow_accounts.api_keys.forms import KeyForm
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.pages.shared import Answer, Context, refused, reveal, table_of
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import events_of_form
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, NotFound, SubscriptionInactive
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.teams.service_accounts import owning_team
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import client

_SHOWING_A_SECRET = (Action.KEY_CREATED, Action.KEY_ROTATED)

blueprint = Blueprint("outcome", __name__, url_prefix="/outcome")


@blueprint.get("")
def show() -> dict[str, Any]:
    """Return whether the form with this nonce was processed, and the id of the key that it created, if any."""
    events = events_of_form(request.args.get("nonce", ""), by=current_user())
    keys = [event.details["key"] for event in events if event.action in _SHOWING_A_SECRET]
    return {"done": bool(events), "key": keys[0] if keys else None}


def ask_to_replace(context: Context, key_id: str, accounts: Collection[User] = ()) -> Answer:
    """Explain that the key exists although its secret was not shown, and offer to replace it.

    `accounts` are the service accounts that may own the key, besides the owner of the page.
    """
    key = _key_of([context["owner"], *accounts], key_id)
    table = table_of(context["owner"])
    return render_template(
        "api_keys/replacement.html", **context | table, new_key=key, form=KeyForm(formdata=None)
    )


def replace(context: Context, key_id: str, accounts: Collection[User] = ()) -> Answer:
    """Revoke a key, create another of the same name and show its secret. Arguments as in `ask_to_replace`."""
    ensure_recent_proof()
    rate_limits.hit("create-key", account=current_user().public_id)
    key, form = _key_of([context["owner"], *accounts], key_id), KeyForm()
    args: dict[str, Any] = {"by": current_user(), "client": client()}
    wanted: dict[str, Any] = {
        "expires_at": key.expires_at,
        "is_canary": key.is_canary,
        "instead_of": key,
        "nonce": form.nonce.data or "",
    }
    try:
        if key.user.is_person:
            service.revoke(key, **args)
            new, secret = service.issue(key.user, key.name, **wanted, **args)
        else:
            team = owning_team(key.user)
            service_accounts.revoke_key(team, key, **args)
            new, secret = service_accounts.issue_key(team, key.user, key.name, **wanted, **args)
    except (Conflict, SubscriptionInactive) as error:
        db.session.rollback()
        return refused(context, "Create another key", error)
    db.session.commit()
    return reveal(context, new, secret)


def _key_of(owners: list[User], key_id: str) -> ApiKey:
    for owner in owners:
        with suppress(NotFound):
            return service.key_of(owner, key_id)
    raise NotFound("There is no API key with this id.")
