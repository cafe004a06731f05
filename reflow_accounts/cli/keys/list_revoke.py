"""Lists, shows, renames and revokes the keys of the user or of a service account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import CommandError
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.http.json_values import as_object
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner, authenticates, key_named
from reflow_accounts.cli.keys.restore import restore_hint
from reflow_accounts.cli.keys.usage import usage_facts, usage_lines
from reflow_accounts.cli.output import document, facts, moment, result, say, tell
from reflow_accounts.cli.tables import ID, Column, table, when
from reflow_accounts.cli.text import clean, time_in

RECENT = timedelta(hours=24)
STATES = ("live", "revoked", "all")
_COLUMNS = (
    ID,
    Column("Name", is_text=True),
    Column("Last four", rank=2),
    Column("Times used"),
    Column("Last used"),
    Column("Created", rank=3),
    Column("Expires", rank=1),
)
_USES = (
    Column("When"),
    Column("Request", is_text=True),
    Column("Answer"),
    Column("Address", rank=1),
    Column("From", is_text=True),
)


def list_keys(client: Client, state: str, owner: KeyOwner = OWN, *, as_json: bool) -> None:
    """Print the keys in this state."""
    answer = client.listing(owner.path, [("state", state)])
    if as_json:
        document(answer)
        return
    rows = [
        (
            *map(key.get, ("id", "name", "hint", "use_count")),
            when(key.get("last_used_at")) or "Never",
            when(key.get("created_at")),
            when(key.get("expires_at")) or "Never",
        )
        for key in answer["items"]
    ]
    table(_COLUMNS, rows)
    if not answer["items"]:
        create = f" Create one with {owner.create_command} NAME." if state == "live" else ""
        tell(f"No {'' if state == 'all' else state + ' '}API keys.{create}")


def show_key(context: Context, client: Client, name_or_id: str, owner: KeyOwner = OWN, *, uses: int) -> None:
    """Print the facts of a key, its usage, and its newest `uses` if the user owns it. Raises CommandError."""
    key = key_named(client, name_or_id, "all", owner)
    if "name" not in key:  # the answer for a revoked key says when it was revoked, and nothing else
        revoked = client.listing(owner.path, [("state", "revoked")])["items"]
        key = next((found for found in revoked if found.get("id") == key["id"]), key)
    is_own = owner is OWN and uses > 0
    usage = client.ask_object("GET", f"{owner.path_of(key)}/usage")
    newest = client.listing(f"{owner.path_of(key)}/uses", limit=uses)["items"] if is_own else []
    if context.as_json:
        document(key | {"usage": usage} | ({"uses": newest} if is_own else {}))
        return
    facts([*_facts_of(key | usage), *usage_facts(usage)])
    if newest:
        result("")
    rows = [
        (
            when(use.get("at")),
            f"{use.get('method')} {use.get('path')}",
            use.get("status"),
            use.get("address"),
            use.get("program") or use.get("user_agent"),
        )
        for use in newest
    ]
    if rows:
        table(_USES, rows)


def _facts_of(key: dict[str, Any]) -> list[tuple[str, str]]:
    creator = as_object(key.get("created_by"))
    labels = {"id": "Id", "name": "Name", "hint": "Last four", "use_count": "Times used"}
    pairs = [(label, clean(key.get(field))) for field, label in labels.items()]
    pairs += [
        ("Last used", when(key.get("last_used_at")) or "Never"),
        ("Created", when(key.get("created_at"))),
    ]
    pairs += [("Created by", clean(creator.get("name") or creator.get("type")))]
    pairs += [("Expires", when(key.get("expires_at")) or "Never")]
    if key.get("revoked_at"):
        pairs.append(("Revoked", when(key.get("revoked_at"))))
    return pairs


def rename_key(
    context: Context, client: Client, name_or_id: str, new_name: str, owner: KeyOwner = OWN
) -> None:
    """Give a key another name. Raises CommandError."""
    key = key_named(client, name_or_id, owner=owner)
    answer = client.ask_object("PATCH", owner.path_of(key), body={"name": new_name})
    if context.as_json:
        document(answer)
    tell(f"The key {clean(key.get('name') or key.get('id'))} is called {clean(answer.get('name'))} now.")


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
        if context.as_json:
            document(key)
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
    if context.as_json:
        document({"id": key.get("id"), "name": key.get("name"), "revoked": True, "descendants": descendants})
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
