"""`/keys` and the keys of service accounts. The after-request handler commits."""

from typing import Any

from flask import request, url_for

from reflow_accounts.api_keys import service, service_accounts
from reflow_accounts.api_keys.lifecycle import change, restore, rotate
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.schemas import (
    KeyChange,
    KeyOut,
    KeyRotation,
    KeysQuery,
    NewKey,
    NewKeyOut,
    RevocationQuery,
    UsageOut,
    UseOut,
    UsesQuery,
)
from reflow_accounts.api_keys.service import ListedKey
from reflow_accounts.api_keys.usage import queries
from reflow_accounts.api_keys.usage.clients import UsageSummary, usage_summary_of
from reflow_accounts.api_keys.usage.queries import UsageCount
from reflow_accounts.auth.current_user import caller, current_user
from reflow_accounts.database import db
from reflow_accounts.errors import InsufficientRights
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.teams.api import ACCOUNT_URL, service_accounts_blueprint, team_and_account_of_admin
from reflow_accounts.users.models import User
from reflow_accounts.web.openapi import ApiBlueprint, page_of
from reflow_accounts.web.pagination import Page, read_cursor
from reflow_accounts.web.request_info import client

blueprint = ApiBlueprint("keys", __name__, description="API keys")

KEYS = f"{ACCOUNT_URL}/keys"
KEY = f"{KEYS}/<key_id>"


@blueprint.route("/keys")
@blueprint.arguments(KeysQuery, location="query")
@blueprint.response(200, page_of(KeyOut))
def list_keys(query: dict[str, Any]) -> Page[ListedKey]:
    """List your API keys, newest first."""
    return service.keys_page(current_user(), **query)


@blueprint.route("/keys", methods=["POST"])
@blueprint.arguments(NewKey)
@blueprint.response(201, NewKeyOut)
def create_key(payload: dict[str, Any]) -> Any:
    """Create an API key. Only this response contains its secret."""
    rate_limits.hit("create-key", account=current_user().public_id)
    return _issue(current_user(), payload)


@blueprint.route("/keys/<key_id>")
@blueprint.response(200, KeyOut)
def show_key(key_id: str) -> ListedKey:
    """Show an API key."""
    return _key_with_usage(service.live_key_of(current_user(), key_id))


@blueprint.route("/keys/<key_id>", methods=["PATCH"])
@blueprint.arguments(KeyChange)
@blueprint.response(200, KeyOut)
def change_key(payload: dict[str, Any], key_id: str) -> ListedKey:
    """Rename an API key, or move its expiry to an earlier time."""
    key = service.live_key_of(current_user(), key_id)
    change(key, **payload, by=current_user(), client=client())
    return _key_with_usage(key)


@blueprint.route("/keys/<key_id>", methods=["DELETE"])
@blueprint.arguments(RevocationQuery, location="query")
@blueprint.response(204)
def revoke_key(query: dict[str, Any], key_id: str) -> None:
    """Revoke an API key immediately; with `descendants`, also the keys that it created.

    A session can restore it for 24 hours.
    """
    key = service.key_of(current_user(), key_id)
    service.revoke(key, by=current_user(), client=client(), with_created=query["descendants"])


@blueprint.route("/keys/<key_id>/revocation", methods=["DELETE"])
@blueprint.response(200, KeyOut)
def restore_key(key_id: str) -> ListedKey:
    """Restore an API key that was revoked less than 24 hours ago. Needs a session, not an API key.

    Returns 409 for a key that support revoked, that was revoked with its account, or that has expired.
    """
    key = service.key_of(current_user(), key_id)
    _ensure_session()
    restore(key, by=current_user(), client=client())
    return _key_with_usage(key)


@blueprint.route("/keys/<key_id>/rotation", methods=["POST"])
@blueprint.arguments(KeyRotation)
@blueprint.response(201, NewKeyOut)
def rotate_key(args: dict[str, Any], key_id: str) -> Any:
    """Replace an API key with a new one of the same name. Only this response contains its secret.

    The old key works until the overlap ends.
    """
    rate_limits.hit("create-key", account=current_user().public_id)
    return _rotate(service.key_of(current_user(), key_id), args)


@blueprint.route("/keys/<key_id>/usage")
@blueprint.response(200, UsageOut)
def show_key_usage(key_id: str) -> UsageSummary:
    """Show how often an API key, live or revoked, was used and by which programs."""
    return usage_summary_of(service.key_of(current_user(), key_id))


@blueprint.route("/keys/<key_id>/uses")
@blueprint.arguments(UsesQuery, location="query")
@blueprint.response(200, page_of(UseOut))
def list_key_uses(query: dict[str, Any], key_id: str) -> Any:
    """List the uses of an API key, live or revoked, newest first."""
    limit, place = query["limit"], read_cursor(query.get("cursor"), 1)
    key_ids = [service.key_of(current_user(), key_id).id]
    after = query.get("after")
    uses = queries.uses_of(
        key_ids,
        limit=limit + 1,
        before=place[0] if place else None,
        since=query.get("since"),
        until=query.get("until"),
        after=None if after is None else queries.position_of_use(key_ids, after),
    )
    page = Page.cut(uses, limit, lambda use: (use.id,))
    return Page(sorted(page.items, key=lambda use: (use.at, use.id), reverse=True), page.next_cursor)


def _creating_key() -> ApiKey | None:
    """Return the API key that authenticates this request; None for a session."""
    key = caller().key
    return db.session.get(ApiKey, key.facts.key_id) if key else None


def _ensure_session() -> None:
    """Raise InsufficientRights when an API key authenticates this request."""
    if caller().key:
        raise InsufficientRights("An API key cannot restore API keys. Use a session: run reflow login.")


def _issue(owner: User, payload: dict[str, Any]) -> Any:
    return _creation_response(
        *service.issue(
            owner,
            payload["name"],
            by=current_user(),
            client=client(),
            expires_at=payload["expires_at"],
            created_by=_creating_key(),
            is_canary=payload["canary"],
        )
    )


def _rotate(key: ApiKey, args: dict[str, Any]) -> Any:
    return _creation_response(
        *rotate(key, **args, by=current_user(), client=client(), created_by=_creating_key())
    )


def _creation_response(key: ApiKey, secret: str) -> Any:
    """Return the response with a new key; its address has the same arguments as that of the request."""
    endpoint = "keys.show_key" if key.user.is_person else "service-accounts.show_service_account_key"
    location = url_for(endpoint, **(request.view_args or {}) | {"key_id": key.public_id})
    return {"key": key, "usage": UsageCount(), "secret": secret}, 201, {"Location": location}


def _key_with_usage(key: ApiKey) -> ListedKey:
    return service.with_usage_counts([key])[0]


@service_accounts_blueprint.route(KEYS)
@service_accounts_blueprint.arguments(KeysQuery, location="query")
@service_accounts_blueprint.response(200, page_of(KeyOut))
def list_service_account_keys(query: dict[str, Any], team_id: str, account_id: str) -> Page[ListedKey]:
    """List the API keys of a service account, newest first. Needs Admin rights."""
    return service.keys_page(team_and_account_of_admin(team_id, account_id)[1], **query)


@service_accounts_blueprint.route(KEYS, methods=["POST"])
@service_accounts_blueprint.arguments(NewKey)
@service_accounts_blueprint.response(201, NewKeyOut)
def create_service_account_key(payload: dict[str, Any], team_id: str, account_id: str) -> Any:
    """Create an API key of a service account. Only this response contains its secret. Needs Admin rights."""
    rate_limits.hit("create-key", account=current_user().public_id)
    return _issue(team_and_account_of_admin(team_id, account_id)[1], payload)


@service_accounts_blueprint.route(KEY)
@service_accounts_blueprint.response(200, KeyOut)
def show_service_account_key(team_id: str, account_id: str, key_id: str) -> ListedKey:
    """Show an API key of a service account. Needs Admin rights."""
    _, account = team_and_account_of_admin(team_id, account_id)
    return _key_with_usage(service.live_key_of(account, key_id))


@service_accounts_blueprint.route(f"{KEY}/usage")
@service_accounts_blueprint.response(200, UsageOut)
def show_service_account_key_usage(team_id: str, account_id: str, key_id: str) -> UsageSummary:
    """Show how often an API key of a service account was used and by which programs. Needs Admin rights."""
    return usage_summary_of(_key_of(team_id, account_id, key_id))


@service_accounts_blueprint.route(KEY, methods=["PATCH"])
@service_accounts_blueprint.arguments(KeyChange)
@service_accounts_blueprint.response(200, KeyOut)
def change_service_account_key(
    payload: dict[str, Any], team_id: str, account_id: str, key_id: str
) -> ListedKey:
    """Rename an API key of a service account, or move its expiry to an earlier time. Needs Admin rights."""
    team, account = team_and_account_of_admin(team_id, account_id)
    key = service.live_key_of(account, key_id)
    service_accounts.change_key(team, key, **payload, by=current_user(), client=client())
    return _key_with_usage(key)


@service_accounts_blueprint.route(KEY, methods=["DELETE"])
@service_accounts_blueprint.response(204)
def revoke_service_account_key(team_id: str, account_id: str, key_id: str) -> None:
    """Revoke an API key of a service account immediately. Needs Admin rights.

    A session can restore it for 24 hours.
    """
    # A service account cannot create keys, so the key has no descendants.
    service.revoke_key(_key_of(team_id, account_id, key_id), by=current_user(), client=client())


@service_accounts_blueprint.route(f"{KEY}/revocation", methods=["DELETE"])
@service_accounts_blueprint.response(200, KeyOut)
def restore_service_account_key(team_id: str, account_id: str, key_id: str) -> ListedKey:
    """Restore a key of a service account that was revoked less than 24 hours ago.

    Needs a session and Admin rights.
    """
    key = _key_of(team_id, account_id, key_id)
    _ensure_session()
    restore(key, by=current_user(), client=client())
    return _key_with_usage(key)


@service_accounts_blueprint.route(f"{KEY}/rotation", methods=["POST"])
@service_accounts_blueprint.arguments(KeyRotation)
@service_accounts_blueprint.response(201, NewKeyOut)
def rotate_service_account_key(args: dict[str, Any], team_id: str, account_id: str, key_id: str) -> Any:
    """Replace an API key of a service account with a new one of the same name. Needs Admin rights.

    Only this response contains the new secret. The old key works until the overlap ends.
    """
    rate_limits.hit("create-key", account=current_user().public_id)
    return _rotate(_key_of(team_id, account_id, key_id), args)


def _key_of(team_id: str, account_id: str, key_id: str) -> ApiKey:
    _, account = team_and_account_of_admin(team_id, account_id)
    return service.key_of(account, key_id)
