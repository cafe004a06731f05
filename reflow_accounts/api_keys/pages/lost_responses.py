"""Recovery from lost responses: the outcome of a form, and a replacement for a key whose secret was never shown."""

from contextlib import suppress
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from reflow_accounts.api_keys import service
from reflow_accounts.api_keys.forms import KeyForm
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.pages.shared import Context, refusal_page, reveal, table_of
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import events_of_form
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, NotFound, SubscriptionInactive, ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.teams.service_accounts import usable_accounts_of
from reflow_accounts.web.request_info import client

_SHOWING_A_SECRET = (Action.KEY_CREATED, Action.KEY_ROTATED)

blueprint = Blueprint("outcome", __name__, url_prefix="/outcome")


@blueprint.get("")
def show() -> dict[str, Any]:
    """Return whether the form with this nonce was processed, and the id of the key that it created, if any."""
    events = events_of_form(request.args.get("nonce", ""), by=current_user())
    keys = [event.details["key"] for event in events if event.action in _SHOWING_A_SECRET]
    return {"done": bool(events), "key": keys[0] if keys else None}


def ask_to_replace(context: Context, key_id: str) -> ResponseReturnValue:
    """Explain that the key exists although its secret was not shown, and offer to replace it."""
    key = _key_of(context, key_id)
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
