"""Showing and revoking keys that there are, one's own or a service account's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import CommandError
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner, key_named
from reflow_accounts.cli.output import document, moment, table
from reflow_accounts.cli.text import clean, time_in

RECENT = timedelta(hours=24)
STATES = ("live", "revoked", "all")


def show(context: Context, client: Client, state: str, ring: KeyOwner = OWN) -> None:
    """List the keys that are in this state."""
    answer = client.listing(ring.path, [("state", state)])
    if context.as_json:
        document(answer)
        return
    headings = ("Id", "Name", "Last four", "Times used", "Last used (UTC)", "Created (UTC)", "Expires (UTC)")
    table(headings, map(_row, answer["items"]))
    if not answer["items"]:
        context.tell(f"No API keys. Create one with {ring.creating} NAME.")


def _row(key: dict[str, Any]) -> tuple[object, ...]:
    last_used = moment(key.get("last_used_at")) or "Never"
    times = last_used, moment(key.get("created_at")), moment(key.get("expires_at")) or "Never"
    return key.get("id"), key.get("name"), key.get("hint"), key.get("use_count"), *times


def revoke(context: Context, client: Client, name_or_id: str, ring: KeyOwner = OWN, *, yes: bool) -> None:
    """Revoke a key; a person is asked first, unless `yes`, when it was used lately."""
    key = key_named(client, name_or_id, ring=ring)
    name = clean(key.get("name") or key.get("id"))
    if key.get("revoked_at"):
        context.tell(f"The key {name} is revoked already.")
        return
    is_own = is_in_use_here(client, key)
    is_asked = not yes and context.may_ask and was_used_lately(key)
    if is_asked and not click.confirm(_question(name, key, is_own), err=True):
        raise CommandError("Nothing was revoked.")
    client.ask("DELETE", ring.path_of(key))
    context.tell(f"The key {name} was revoked.", *([_own_key_is_gone(client)] if is_own else []))


def _question(name: str, key: dict[str, Any], is_own: bool) -> str:
    return f"{last_use_of(key, name)}{' and is the key you are using now' if is_own else ''}. Revoke it?"


def last_use_of(key: dict[str, Any], name: str) -> str:
    """Return the beginning of a sentence that says when a key was last used."""
    return f"{name} was last used {moment(key.get('last_used_at'))} UTC"


def was_used_lately(key: dict[str, Any]) -> bool:
    """Say whether `key` was used in the last 24 hours, so that somebody may depend on it."""
    last = time_in(key, "last_used_at")
    return last is not None and datetime.now(UTC) - last < RECENT


def is_in_use_here(client: Client, key: dict[str, Any]) -> bool:
    """Say whether `key` is the credential of this run."""
    secret = client.credential.secret if client.credential else ""
    if not key.get("hint") or not secret.endswith(str(key["hint"])):
        return False
    by = client.ask_object("GET", "/me").get("authenticated_by")
    return isinstance(by, dict) and by.get("id") == key.get("id")


def _own_key_is_gone(client: Client) -> str:
    place = client.credential.place if client.credential else ""
    return f"It was {place}, the one in use here: the next command will be refused."
