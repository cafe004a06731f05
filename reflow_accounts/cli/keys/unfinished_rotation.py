"""A rotation that broke off when its new key was in its file already: it is known by that key's name."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any, NamedTuple

from reflow_accounts.cli.credentials import Credential, Kind, Place
from reflow_accounts.cli.errors import CommandError, NotFound
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.keys.file import Unusable, secret_in_file
from reflow_accounts.cli.keys.lookup import KeyOwner
from reflow_accounts.cli.text import clean, shell

LONGEST_NAME = 64  # of a key, as the server has it
_MARK = re.compile(r" \(new [0-9a-f]{4}\)$")


class Held(NamedTuple):
    """The new key of a rotation that broke off, and the file that holds it."""

    key: dict[str, Any]
    file: Path


def with_suffix(name: str, suffix: str) -> str:
    """Return `name` with `suffix`, cut so that the server takes it."""
    return name[: LONGEST_NAME - len(suffix)].rstrip() + suffix


def name_until_the_end(name: str) -> str:
    """Return what the new key is called until the old one has given `name` up."""
    return with_suffix(name, f" (new {secrets.token_hex(2)})")


def naming(ring: KeyOwner, key: dict[str, Any], name: str) -> str:
    """Return the command that gives `key` its name."""
    return shell("reflow", "api", "PATCH", ring.path_of(key), "-f", f"name={name}")


def held_in(file: Path | None, client: Client, ring: KeyOwner, name: str) -> Held | None:
    """Return the new key of a rotation of `name` that broke off, if `file` holds it; the server is asked."""
    if file is None:
        return None
    try:
        secret = secret_in_file(file)
    except Unusable:
        return None
    for key in _begun(client, ring, name):
        if secret.endswith(str(key.get("hint"))) and _opens(client.server, file, secret, key):
            return Held(key, file)
    return None


def not_at_hand(client: Client, ring: KeyOwner, name: str, fault: NotFound) -> NotFound:
    """Return `fault`, that no key is called `name`; with what to do when a rotation left it so."""
    left = _begun(client, ring, name)
    if not left:
        return fault
    key = left[0]
    return NotFound(
        f"There is no key {clean(name)}. A rotation of it broke off: {clean(key.get('name'))} is the new one.",
        f"If you have that key, give it the name: {naming(ring, key, name)}",
        f"If not, revoke it ({ring.revoking(key)}) and make another ({ring.creating} {shell(name)}).",
    )


def _begun(client: Client, ring: KeyOwner, name: str) -> list[dict[str, Any]]:
    """Return the live keys that a rotation of `name` made and gave no name."""
    keys: list[dict[str, Any]] = client.listing(ring.path, [("state", "live")])["items"]
    return [key for key in keys if _is_for(str(key.get("name")), name)]


def _is_for(called: str, name: str) -> bool:
    mark = _MARK.search(called)
    return mark is not None and called == with_suffix(name, mark[0])


def _opens(server: str, file: Path, secret: str, key: dict[str, Any]) -> bool:
    credential = Credential(Place(Kind.OPTION, str(file), file), secret)
    try:
        by = Client(server, credential).ask_object("GET", "/me").get("authenticated_by")
    except CommandError:
        return False
    return isinstance(by, dict) and by.get("id") == key.get("id")
