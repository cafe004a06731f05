"""Finding the one key that a person names by id or by name."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from reflow_accounts.cli.client import Client
from reflow_accounts.cli.errors import NotFound, Problem
from reflow_accounts.cli.text import clean

ID_PREFIX = "key_"
_GONE = 410


def key_named(client: Client, words: str, state: str = "live") -> dict[str, Any]:
    """Return the key with the id `words`, or the one key of the caller with exactly this name.

    `state` (live, revoked, all) limits the search by name; a revoked key found by its id comes back
    with its id and `revoked_at`. Raises NotFound for none and for several.
    """
    by_id = _by_id(client, words) if words.startswith(ID_PREFIX) else None
    if by_id:
        return by_id
    keys: list[dict[str, Any]] = client.listing("/keys", [("state", state)])["items"]
    named = [key for key in keys if words in (key.get("id"), key.get("name"))]
    if len(named) == 1:
        return named[0]
    raise NotFound(_sentence(words, len(named)))


def path_of(key: dict[str, Any]) -> str:
    """Return the path of a key in the API."""
    return f"/keys/{quote(str(key.get('id')), safe='')}"


def _by_id(client: Client, words: str) -> dict[str, Any] | None:
    try:
        return client.ask_object("GET", path_of({"id": words}))
    except Problem as problem:
        if problem.status == _GONE:
            return {"id": words, "revoked_at": problem.document.get("revoked_at") or "before"}
        if problem.status == 404:
            return None
        raise


def _sentence(words: str, count: int) -> str:
    if count:
        return f"{count} keys are named {clean(words)}. Use the id of the one you mean (reflow keys list)."
    return f"There is no key {clean(words)}. reflow keys list shows your keys."
