"""The keys that the server lists: the user's own, and those of service accounts the user administers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from reflow_accounts.cli.errors import CommandError
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.http.json_values import objects_in
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner, service_account_owner
from reflow_accounts.cli.text import api_path, clean, time_in


class KnownKey(NamedTuple):
    """A key of the server: its last four characters, its owner as text, and the command that revokes it."""

    hint: str
    whose: str
    is_live: bool
    revoke_command: str


def known_keys(client: Client, me: dict[str, Any]) -> Iterator[KnownKey]:
    """Yield the keys, also revoked ones, the user's own first. `me` is the answer of GET /me.

    Lists that the server refuses are left out.
    """
    if not me:
        return
    yield from _keys_of(client, OWN, "yours")
    teams = objects_in(me.get("teams"))
    for team in teams:
        if team.get("rights") != "admin":
            continue
        accounts = api_path("/teams", team.get("id"), "service-accounts")
        options = ["--team", team.get("id")] if len(teams) > 1 else []
        for account in _listed(client, accounts):
            owner = service_account_owner(accounts, account, *options)
            yield from _keys_of(client, owner, f"that of the service account {clean(account.get('name'))}")


def _keys_of(client: Client, owner: KeyOwner, whose: str) -> Iterator[KnownKey]:
    for key in _listed(client, owner.path, ("state", "all")):
        ends = time_in(key, "expires_at")
        is_live = not key.get("revoked_at") and (ends is None or ends > datetime.now(UTC))
        yield KnownKey(str(key.get("hint")), whose, is_live, owner.command_for("revoke", key))


def _listed(client: Client, path: str, *query: tuple[str, str]) -> list[dict[str, Any]]:
    try:
        items: list[dict[str, Any]] = client.listing(path, query)["items"]
    except CommandError:
        return []
    return items
