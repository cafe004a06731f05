"""`/keys`: the caller's API keys and their uses. The API door commits what these views do."""

from typing import Any

from flask import url_for

from reflow_accounts.api_keys import recorder, service
from reflow_accounts.api_keys.changing import change
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.recorder import Tally
from reflow_accounts.api_keys.schemas import (
    KeyChange,
    KeyOut,
    KeysQuery,
    NewKey,
    NewKeyOut,
    UseOut,
    UsesQuery,
)
from reflow_accounts.api_keys.service import ListedKey
from reflow_accounts.identity.caller import me
from reflow_accounts.web.client import client
from reflow_accounts.web.documents import ApiBlueprint, page_of
from reflow_accounts.web.paging import Page, read_cursor

blueprint = ApiBlueprint("keys", __name__, description="API keys")


@blueprint.route("/keys")
@blueprint.arguments(KeysQuery, location="query")
@blueprint.response(200, page_of(KeyOut))
def list_keys(query: dict[str, Any]) -> Page[ListedKey]:
    """List your API keys, newest first."""
    return service.keys_page(me(), state=query["state"], limit=query["limit"], cursor=query.get("cursor"))


@blueprint.route("/keys", methods=["POST"])
@blueprint.arguments(NewKey)
@blueprint.response(201, NewKeyOut)
def create_key(wanted: dict[str, Any]) -> Any:
    """Make an API key. Its secret is in this answer and nowhere else."""
    key, secret = service.issue(
        me(), wanted["name"], by=me(), client=client(), expires_at=wanted["expires_at"]
    )
    shown = {"key": key, "tally": Tally(), "secret": secret}
    return shown, 201, {"Location": url_for("keys.show_key", key_id=key.public_id)}


@blueprint.route("/keys/<key_id>")
@blueprint.response(200, KeyOut)
def show_key(key_id: str) -> ListedKey:
    """Show an API key."""
    return _listed(service.live_key_of(me(), key_id))


@blueprint.route("/keys/<key_id>", methods=["PATCH"])
@blueprint.arguments(KeyChange)
@blueprint.response(200, KeyOut)
def change_key(wanted: dict[str, Any], key_id: str) -> ListedKey:
    """Rename an API key, or have it end at a time, which is never later than it would end anyway."""
    key = service.live_key_of(me(), key_id)
    change(key, **wanted, by=me(), client=client())
    return _listed(key)


@blueprint.route("/keys/<key_id>", methods=["DELETE"])
@blueprint.response(204)
def revoke_key(key_id: str) -> None:
    """Revoke an API key, at once and for good."""
    service.revoke(service.key_of(me(), key_id), by=me(), client=client())


@blueprint.route("/keys/<key_id>/uses")
@blueprint.arguments(UsesQuery, location="query")
@blueprint.response(200, page_of(UseOut))
def list_uses(query: dict[str, Any], key_id: str) -> Any:
    """List the uses of an API key, newest first. They stay when the key is revoked."""
    limit, place = query["limit"], read_cursor(query.get("cursor"), 1)
    uses = recorder.uses_of(
        [service.key_of(me(), key_id).id],
        limit=limit + 1,
        before=place[0] if place else None,
        since=query.get("since"),
        until=query.get("until"),
    )
    return Page.cut(uses, limit, lambda use: (use.id,))


def _listed(key: ApiKey) -> ListedKey:
    return service.with_tallies([key])[0]
