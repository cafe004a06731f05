"""Finds a rotation that was interrupted: its new key is recognized by the temporary name."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any, NamedTuple

from reflow_accounts.cli.credentials import Credential, Kind, Source
from reflow_accounts.cli.errors import CommandError, NotFound
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.keys.lookup import KeyOwner, authenticates
from reflow_accounts.cli.secret_file import UnusableFile, secret_in_file
from reflow_accounts.cli.text import clean, shell

LONGEST_NAME = 64  # of a key, as the server has it
_SUFFIX = re.compile(r" \(new [0-9a-f]{4}\)$")


class UnfinishedRotation(NamedTuple):
    """The new key of an interrupted rotation, and the file that contains it."""

    key: dict[str, Any]
    file: Path


def with_suffix(name: str, suffix: str) -> str:
    """Return `name` with `suffix`, shortened to the length that the server accepts."""
    return name[: LONGEST_NAME - len(suffix)].rstrip() + suffix


def temporary_name(name: str) -> str:
    """Return the name of the new key until the old one has given up `name`."""
    return with_suffix(name, f" (new {secrets.token_hex(2)})")


def rename_command(owner: KeyOwner, key: dict[str, Any], name: str) -> str:
    """Return the command that renames `key` to `name`."""
    return shell("reflow", "api", "PATCH", owner.path_of(key), "-f", f"name={name}")


def find_unfinished(
    file: Path | None, client: Client, owner: KeyOwner, name: str
) -> UnfinishedRotation | None:
    """Return the interrupted rotation of the key `name`, if `file` contains its new key. Asks the server."""
    if file is None:
        return None
    try:
        secret = secret_in_file(file)
    except UnusableFile:
        return None
    in_file = Client(client.server, Credential(Source(Kind.OPTION, str(file), file), secret))
    for key in _new_keys(client, owner, name):
        if not secret.endswith(str(key.get("hint"))):
            continue
        try:
            is_same = authenticates(in_file, key)
        except CommandError:
            is_same = False
        if is_same:
            return UnfinishedRotation(key, file)
    return None


def explain_missing(client: Client, owner: KeyOwner, name: str, fault: NotFound) -> NotFound:
    """Return `fault` (no key is called `name`), with instructions if an interrupted rotation is the reason."""
    keys = _new_keys(client, owner, name)
    if not keys:
        return fault
    key = keys[0]
    return NotFound(
        f"There is no key {clean(name)}. A rotation of it broke off: {clean(key.get('name'))} is the new one.",
        f"If you have that key, give it the name: {rename_command(owner, key, name)}",
        f"If not, revoke it ({owner.revoke_command(key)}) and make another "
        f"({owner.create_command} {shell(name)}).",
    )


def _new_keys(client: Client, owner: KeyOwner, name: str) -> list[dict[str, Any]]:
    """Return the live keys with a temporary name for `name`."""
    keys: list[dict[str, Any]] = client.listing(owner.path, [("state", "live")])["items"]
    found = []
    for key in keys:
        suffix = _SUFFIX.search(str(key.get("name")))
        if suffix and key.get("name") == with_suffix(name, suffix[0]):
            found.append(key)
    return found
