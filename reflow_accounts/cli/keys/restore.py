"""Restores revoked keys of the user or of a service account, and says how to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from reflow_accounts.cli.errors import CommandError, NoMatch
from reflow_accounts.cli.http.client import ApiClient, as_object, objects_in
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner, service_account_owner
from reflow_accounts.cli.output import document, tell
from reflow_accounts.cli.text import clean, minute_in, time_in
from reflow_accounts.contract import Exit

_RESTORABLE_FOR = timedelta(hours=24)


def restore_key(client: ApiClient, name_or_id: str, owner: KeyOwner = OWN, *, as_json: bool) -> None:
    """Restore a revoked key by id, or by name if exactly one restorable key has it. Raises CommandError."""
    if client.uses_key:
        raise CommandError(
            "An API key cannot restore keys. Run reflow login, then the same command with --as login.",
            exit_code=Exit.NOT_ALLOWED,
        )
    key = _revoked_key(client, name_or_id, owner)
    restored = client.ask_object("DELETE", f"{owner.path_of(key)}/revocation")
    name = clean(restored.get("name"))
    tell(f"The key {name} works again. Its owner is notified by mail.")
    if as_json:
        document(restored)


def restore_hint(client: ApiClient, key: dict[str, Any], owner: KeyOwner, me: dict[str, Any]) -> list[str]:
    """Return a line that says how to restore a key that was just revoked; none for an expired one.

    `me` is the answer of GET /me, or {} when it is not known whether the key belongs to a service account.
    """
    now, end = datetime.now(UTC), time_in(key, "expires_at")
    if end and end <= now:
        return []
    until = f"Until {minute_in(key, 'expires_at')}" if end and end - now < _RESTORABLE_FOR else "For 24 hours"
    if not client.uses_key:
        return [f"{until}, this restores it: {owner.command_for('restore', key)}"]
    by, user = "a login restores it", as_object(me.get("user"))
    if owner is OWN and user.get("kind") == "service_account":
        by, team = "an Admin of its team restores it with a login", objects_in(me.get("teams"))
        owner = service_account_owner("", user, *(["--team", team[0].get("id")] if team else []))
    return [f"{until}, {by}: {owner.command_for('restore', key)} --as login"]


def _revoked_key(client: ApiClient, name_or_id: str, owner: KeyOwner) -> dict[str, Any]:
    keys: list[dict[str, Any]] = client.listing(owner.path, [("state", "revoked")])["items"]
    if by_id := [key for key in keys if key.get("id") == name_or_id]:
        return by_id[0]
    named = [key for key in keys if key.get("name") == name_or_id]
    restorable = [key for key in named if key.get("restorable_until")]
    if len(restorable) == 1:
        return restorable[0]
    name = clean(name_or_id)
    if restorable:
        ids = ", ".join(clean(key.get("id")) for key in restorable)
        raise NoMatch(
            f"{len(restorable)} revoked keys are named {name}. Use the id of the one you mean: {ids}."
        )
    if named:
        return named[0]  # the server explains why it cannot be restored
    raise NoMatch(f"There is no revoked key {name}. {owner.list_command} --state revoked shows them.")
