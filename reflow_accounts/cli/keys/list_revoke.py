"""Lists, shows, renames and revokes the keys of the user or of a service account."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import CommandError
from reflow_accounts.cli.http.client import ApiClient, as_object, objects_in
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner, authenticates, key_named
from reflow_accounts.cli.keys.restore import restore_hint
from reflow_accounts.cli.output import document, facts, is_terminal, result, say, tell
from reflow_accounts.cli.tables import ID, Column, relative, table, when
from reflow_accounts.cli.text import clean, minute_in, time_in

# The most programs to name, and the most addresses of each.
_MOST_PROGRAMS, _MOST_ADDRESSES = 10, 3
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
_REVOKED = Column("Revoked")  # only in lists that may have revoked keys
_USES = (
    Column("When"),
    Column("Request", is_text=True),
    Column("Answer"),
    Column("Address", rank=1),
    Column("From", is_text=True),
)


def usage_lines(usage: dict[str, Any]) -> list[str]:
    """Return lines about the API's usage object: "GitHub Actions in acme/web used it 2 hours ago, from …"."""
    programs = objects_in(usage.get("programs"))
    lines = [f"Uses: {_counts(usage)}."]
    for program in programs[:_MOST_PROGRAMS]:
        last = time_in(program, "last_used_at")
        # The server's clock may be ahead.
        ago = relative(min(last, datetime.now(UTC))) if last else "at an unknown time"
        lines.append(f"{clean(program.get('name'))} used it {ago}, from {_addresses(program)}.")
    if others := _other_programs(usage):
        lines.append(f"{others} used it in the last 30 days.")
    return lines


def usage_facts(usage: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the API's usage object as labels and values, with exact times in a pipe."""
    programs = objects_in(usage.get("programs"))
    pairs = [("Uses", _counts(usage))]
    for program in programs[:_MOST_PROGRAMS]:
        last = when(program.get("last_used_at"))
        pairs.append(("Used by", f"{clean(program.get('name'))}, {last}, from {_addresses(program)}"))
    if others := _other_programs(usage):
        pairs.append(("Used by", f"{others} in the last 30 days"))
    return pairs


def _counts(usage: dict[str, Any]) -> str:
    counts = tuple(clean(usage.get(name)) for name in ("last_24_hours", "last_7_days", "last_30_days"))
    return "{} in 24 hours, {} in 7 days, {} in 30 days".format(*counts)


def _other_programs(usage: dict[str, Any]) -> str:
    count = usage.get("program_count")
    others = count - _MOST_PROGRAMS if isinstance(count, int) else 0
    return f"{others} other program{'' if others == 1 else 's'}" if others > 0 else ""


def _addresses(program: dict[str, Any]) -> str:
    addresses = program.get("addresses")
    named = [clean(address) for address in addresses[:_MOST_ADDRESSES]] if isinstance(addresses, list) else []
    count = program.get("address_count")
    others = count - len(named) if isinstance(count, int) else 0
    more = f" and {others} other address{'' if others == 1 else 'es'}" if others > 0 else ""
    return f"{', '.join(named)}{more}"


def list_keys(client: ApiClient, state: str, owner: KeyOwner = OWN, *, as_json: bool) -> None:
    """Print the keys in this state; for other states than live, with the time of revocation."""
    data = client.listing(owner.path, [("state", state)])
    if as_json:
        document(data)
        return
    with_revocation = state != "live"
    rows = [
        (
            key.get("id"),
            _display_name(key),
            *map(key.get, ("hint", "use_count")),
            when(key.get("last_used_at")) or "Never",
            when(key.get("created_at")),
            when(key.get("expires_at")) or "Never",
            *([when(key.get("revoked_at"))] if with_revocation else []),
        )
        for key in data["items"]
    ]
    table((*_COLUMNS, _REVOKED) if with_revocation else _COLUMNS, rows)
    if not data["items"]:
        create = f" Create one with {owner.create_command} NAME." if state == "live" else ""
        tell(f"No {'' if state == 'all' else state + ' '}API keys.{create}")


def _display_name(key: dict[str, Any]) -> str:
    """Return the name; on a terminal with "(canary)", "(expired)" or "(replaced)"."""
    end = time_in(key, "expires_at")
    marks = [
        mark
        for mark, is_set in (
            ("canary", key.get("canary")),
            ("expired", end and end <= datetime.now(UTC)),
            ("replaced", key.get("replaced_by")),
        )
        if is_set
    ]
    name = clean(key.get("name"))
    return f"{name} ({', '.join(marks)})" if marks and is_terminal(sys.stdout) else name


def show_key(
    context: Context, client: ApiClient, name_or_id: str, owner: KeyOwner = OWN, *, uses: int
) -> None:
    """Print the facts of a key, its usage, and its newest `uses` if the user owns it. Raises CommandError."""
    key = key_named(client, name_or_id, "all", owner)
    if "name" not in key:  # for a revoked key, the API returns only id and time of the revocation
        revoked = client.listing(owner.path, [("state", "revoked")])["items"]
        key = next((other for other in revoked if other.get("id") == key["id"]), key)
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
    is_login = creator.get("type") == "session"
    pairs += [("Created by", "a login" if is_login else clean(creator.get("name") or creator.get("type")))]
    if key.get("canary"):
        pairs += [("Canary", "it opens nothing, and its first use is mailed")]
    pairs += [("Expires", when(key.get("expires_at")) or "Never")]
    if key.get("revoked_at"):
        pairs.append(("Revoked", when(key.get("revoked_at"))))
    return pairs


def rename_key(
    context: Context, client: ApiClient, name_or_id: str, new_name: str, owner: KeyOwner = OWN
) -> None:
    """Rename a key. Raises CommandError."""
    key = key_named(client, name_or_id, owner=owner)
    data = client.ask_object("PATCH", owner.path_of(key), body={"name": new_name})
    if context.as_json:
        document(data)
    tell(f"The key {clean(key.get('name') or key.get('id'))} is called {clean(data.get('name'))} now.")


def revoke_key(
    context: Context,
    client: ApiClient,
    name_or_id: str,
    owner: KeyOwner = OWN,
    *,
    yes: bool,
    descendants: bool = False,
) -> None:
    """Revoke a key; with `descendants`, also the keys that it created.

    On a terminal, ask first if the key was used recently, unless `yes`. Raises CommandError.
    """
    key = key_named(client, name_or_id, owner=owner)
    name = clean(key.get("name") or key.get("id"))
    if key.get("revoked_at"):
        if context.as_json:
            document({"id": key.get("id"), "name": key.get("name"), "revoked": True, "descendants": False})
        tell(f"The key {name} is revoked already.")
        return
    is_own = is_in_use(client, key)
    if not yes and context.may_ask and was_used_recently(key):
        say(*usage_lines(client.ask_object("GET", f"{owner.path_of(key)}/usage")))
        if not click.confirm(f"{usage_summary(key, name, is_own=is_own)}. Revoke it?", err=True):
            raise CommandError("Nothing was revoked.")
    me = _me(client) if owner is OWN and client.uses_key else {}
    client.ask("DELETE", owner.path_of(key) + ("?descendants=true" if descendants else ""))
    if context.as_json:
        document({"id": key.get("id"), "name": key.get("name"), "revoked": True, "descendants": descendants})
    also = " with the keys that it created" if descendants else ""
    tell(f"The key {name} was revoked{also}.", *restore_hint(client, key, owner, me))
    if is_own and client.credential:
        tell(f"It was {client.credential.source}, the one in use here: the next command will be refused.")


def _me(client: ApiClient) -> dict[str, Any]:
    try:
        return client.ask_object("GET", "/me")
    except CommandError:  # a key without a subscription may still revoke itself
        return {}


def usage_summary(key: dict[str, Any], name: str, *, is_own: bool) -> str:
    """Return when a key was last used, as the start of a question."""
    own = " and is the key you are using now" if is_own else ""
    return f"{name} was last used {minute_in(key, 'last_used_at')}{own}"


def was_used_recently(key: dict[str, Any]) -> bool:
    """Return whether `key` was used in the last 24 hours, so that a program may depend on it."""
    last = time_in(key, "last_used_at")
    return last is not None and datetime.now(UTC) - last < RECENT


def is_in_use(client: ApiClient, key: dict[str, Any]) -> bool:
    """Return whether `key` is the credential of this run. Sends a request only if the last four characters match."""
    secret = client.credential.secret if client.credential else ""
    if not key.get("hint") or not secret.endswith(str(key["hint"])):
        return False
    return authenticates(client, key)
