"""The keys that the server tells of: the caller's own, and those of service accounts whose Admin the caller is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from reflow_accounts.cli.commands.team_lookup import path_in
from reflow_accounts.cli.errors import CommandError
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.http.json_values import objects_in
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner
from reflow_accounts.cli.text import clean, shell, time_in


class KnownKey(NamedTuple):
    """The last four characters of a key, whose it is, whether it opens anything, and the command that revokes it."""

    hint: str
    whose: str
    is_live: bool
    revoking: str


def known_keys(client: Client, me: dict[str, Any]) -> Iterator[KnownKey]:
    """Yield the keys, revoked ones too, one's own first. `me` is what GET /me said; what is not told is left out."""
    if not me:
        return
    yield from _keys_in(client, OWN, "yours")
    teams = objects_in(me.get("teams"))
    for team in teams:
        if team.get("rights") == "admin":
            yield from _of_accounts(client, team, is_one_of_several=len(teams) > 1)


def _of_accounts(client: Client, team: dict[str, Any], *, is_one_of_several: bool) -> Iterator[KnownKey]:
    accounts = path_in("/teams", team, "service-accounts")
    of_team = ["--team", team.get("id")] if is_one_of_several else []
    for account in _listed(client, accounts):
        ring = KeyOwner(
            path_in(accounts, account, "keys"),
            "reflow team service-accounts keys",
            "Account > Team",
            shell(*of_team, account.get("name")),
        )
        yield from _keys_in(client, ring, f"that of the service account {clean(account.get('name'))}")


def _keys_in(client: Client, ring: KeyOwner, whose: str) -> Iterator[KnownKey]:
    for key in _listed(client, ring.path, ("state", "all")):
        ends = time_in(key, "expires_at")
        is_live = not key.get("revoked_at") and (ends is None or ends > datetime.now(UTC))
        yield KnownKey(str(key.get("hint")), whose, is_live, ring.revoking(key))


def _listed(client: Client, path: str, *query: tuple[str, str]) -> list[dict[str, Any]]:
    try:
        items: list[dict[str, Any]] = client.listing(path, query)["items"]
    except CommandError:
        return []
    return items
