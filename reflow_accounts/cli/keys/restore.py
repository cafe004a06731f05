"""Restores a key that was revoked in the last 24 hours."""

from __future__ import annotations

from typing import Any

from reflow_accounts.cli.errors import NotFound
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner
from reflow_accounts.cli.output import document, tell
from reflow_accounts.cli.text import clean


def restore_key(client: Client, name_or_id: str, owner: KeyOwner = OWN, *, as_json: bool) -> None:
    """Restore a revoked key by id, or by a name that only one key has that can be restored. Raises CommandError."""
    key = _revoked_key(client, name_or_id, owner)
    restored = client.ask_object("DELETE", f"{owner.path_of(key)}/revocation")
    name = clean(restored.get("name"))
    tell(f"The key {name} works again. Its owner is told by mail.")
    if as_json:
        document(restored)


def restore_hint(key: dict[str, Any], owner: KeyOwner) -> str:
    """Return the line that says how to restore a key that was just revoked."""
    return f"For 24 hours, this restores it: {owner.command_for('restore', key)}"


def _revoked_key(client: Client, name_or_id: str, owner: KeyOwner) -> dict[str, Any]:
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
        raise NotFound(
            f"{len(restorable)} revoked keys are named {name}. Use the id of the one you mean: {ids}."
        )
    if named:
        # The server says why not.
        return named[0]
    raise NotFound(f"There is no revoked key {name}. {owner.list_command} --state revoked shows them.")
