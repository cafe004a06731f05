"""Lists and revokes the keys of the user or of a service account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import CommandError
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner, authenticates, key_named
from reflow_accounts.cli.keys.restore import restore_hint
from reflow_accounts.cli.keys.usage import usage_lines
from reflow_accounts.cli.output import document, moment, say, table, tell
from reflow_accounts.cli.text import clean, time_in

RECENT = timedelta(hours=24)
STATES = ("live", "revoked", "all")


def list_keys(client: Client, state: str, owner: KeyOwner = OWN, *, as_json: bool) -> None:
    """Print the keys in this state."""
    answer = client.listing(owner.path, [("state", state)])
    if as_json:
        document(answer)
        return
    headings = ("Id", "Name", "Last four", "Times used", "Last used (UTC)", "Created (UTC)", "Expires (UTC)")
    rows = [
        (
            *map(key.get, ("id", "name", "hint", "use_count")),
            moment(key.get("last_used_at")) or "Never",
            moment(key.get("created_at")),
            moment(key.get("expires_at")) or "Never",
        )
        for key in answer["items"]
    ]
    table(headings, rows)
    if not answer["items"]:
        tell(f"No API keys. Create one with {owner.create_command} NAME.")


def revoke_key(
    context: Context,
    client: Client,
    name_or_id: str,
    owner: KeyOwner = OWN,
    *,
    yes: bool,
    descendants: bool = False,
) -> None:
    """Revoke a key, with `descendants` also those that it created.

    On a terminal, ask first when the key was used recently, unless `yes`. Raises CommandError.
    """
    key = key_named(client, name_or_id, owner=owner)
    name = clean(key.get("name") or key.get("id"))
    if key.get("revoked_at"):
        tell(f"The key {name} is revoked already.")
        return
    is_own = is_in_use(client, key)
    question = f"{usage_summary(key, name, is_own=is_own)}. Revoke it?"
    must_ask = not yes and context.may_ask and was_used_recently(key)
    if must_ask:
        say(*usage_lines(client.ask_object("GET", f"{owner.path_of(key)}/usage")))
    if must_ask and not click.confirm(question, err=True):
        raise CommandError("Nothing was revoked.")
    client.ask("DELETE", owner.path_of(key) + ("?descendants=true" if descendants else ""))
    also = " with the keys that it created" if descendants else ""
    tell(f"The key {name} was revoked{also}.", restore_hint(key, owner))
    if is_own and client.credential:
        tell(f"It was {client.credential.source}, the one in use here: the next command will be refused.")


def usage_summary(key: dict[str, Any], name: str, *, is_own: bool) -> str:
    """Return when a key was last used, as a clause for a question."""
    own = " and is the key you are using now" if is_own else ""
    return f"{name} was last used {moment(key.get('last_used_at'))} UTC{own}"


def was_used_recently(key: dict[str, Any]) -> bool:
    """Return whether `key` was used in the last 24 hours, so that a program may depend on it."""
    last = time_in(key, "last_used_at")
    return last is not None and datetime.now(UTC) - last < RECENT


def is_in_use(client: Client, key: dict[str, Any]) -> bool:
    """Return whether `key` is the credential of this run. Asks the server only when its hint matches."""
    secret = client.credential.secret if client.credential else ""
    if not key.get("hint") or not secret.endswith(str(key["hint"])):
        return False
    return authenticates(client, key)
