"""Rotates a key: the server creates a new one, whose secret replaces the old one."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import click

from reflow_accounts.cli.credentials import Credential, Kind, Source
from reflow_accounts.cli.errors import CommandError, NotFound, Problem, Unreachable
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.keys.create import not_written, request_key
from reflow_accounts.cli.keys.destination import Destination, Target, is_same_file
from reflow_accounts.cli.keys.list_revoke import is_in_use, usage_summary, was_used_recently
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner, authenticates, key_named
from reflow_accounts.cli.output import discard_stdout, document, say, tell
from reflow_accounts.cli.text import clean, minute_in, shell

# Seconds. With "0" the server also leaves time to save the new key; the command then revokes the old one.
OVERLAPS = {"0": 3600, "1h": 3600, "24h": 24 * 3600, "7d": 7 * 24 * 3600}

overlap_option = click.option(
    "--overlap",
    type=click.Choice(list(OVERLAPS)),
    default="1h",
    show_default=True,
    help="How long the old key still works; 0 revokes it as soon as the new one is saved.",
)


def rotate_key(
    target: Target, client: Client, name_or_id: str, owner: KeyOwner = OWN, *, overlap: str, yes: bool
) -> None:
    """Replace a key with a new one of the same name, and report when the old one ends.

    The new secret replaces the old one in the file from which this run read it, or goes to `target`.
    Raises CommandError, whose message says which keys still work.
    """
    old = key_named(client, name_or_id, owner=owner)
    name = clean(old.get("name") or old.get("id"))
    if old.get("revoked_at"):
        raise NotFound(f"The key {name} is revoked already. Make a new one with {owner.create_command} NAME.")
    is_own = is_in_use(client, old)
    if overlap == "0" and not yes and target.context.may_ask and was_used_recently(old):
        summary = usage_summary(old, name, is_own=is_own)
        if not click.confirm(f"{summary}. Copies elsewhere stop working at once. Rotate it?", err=True):
            raise CommandError("Nothing was changed.")
    credential = client.credential if is_own else None
    destination = _destination(target, credential)
    try:
        target.ignore_in_git()
        new = _request(client, old, owner, OVERLAPS[overlap], destination.path)
        _save(target, client, new, destination, _recovery(new.get("id"), owner, destination.path))
    finally:
        destination.close()
    where = (
        f"the new one is in {destination.path}"
        if destination.path
        else "save the new one now, it is shown only this once"
    )
    tell(f"The key {name} was rotated: {where}.", *destination.warnings())
    _end_old(client if credential is None else _with_secret(client, new), old, owner, now=overlap == "0")
    if credential and not is_same_file(credential.source.path, destination.path):
        tell(f"{credential.source.where} still holds the old key: put the new one there.")
    if target.context.as_json and destination.path:
        document({field: value for field, value in new.items() if field != "secret"})


def _destination(target: Target, credential: Credential | None) -> Destination:
    """Return the destination of the new secret; `credential` is the old key if it is in use, else None."""
    source = credential.source if credential else None
    if credential and source and source.path and source.kind in (Kind.OPTION, Kind.REPOSITORY, Kind.HOME):
        is_meant = target.path is None or is_same_file(source.path, target.path)
        if is_meant and source.path.is_file():
            return Destination(source.path, overwrite=True, replaces=credential.secret)
    return Destination(target.path, overwrite=target.overwrite)


def _request(
    client: Client, old: dict[str, Any], owner: KeyOwner, seconds: int, file: Path | None
) -> dict[str, Any]:
    """Request the rotation and return the new key. After a lost response, repeat it once with the same nonce."""
    path, payload = (
        f"{owner.path_of(old)}/rotation",
        {"overlap": seconds, "nonce": secrets.token_urlsafe(16)},
    )
    name, is_repeated = clean(old.get("name")), False
    hint = f"If the key {name} was rotated anyway, {owner.list_command} shows it."
    while True:
        try:
            return request_key(client, path, payload)
        except KeyboardInterrupt:
            say(hint)
            raise
        except Unreachable as fault:
            if not is_repeated and not fault.was_sent:
                raise
            if is_repeated:
                raise Unreachable(*fault.lines, hint) from None
            is_repeated = True
        except Problem as problem:
            new_id = problem.document.get("replaced_by")
            if not is_repeated or not new_id:
                raise
            lost = f"The key {name} was rotated, but the answer with the new secret was lost."
            raise CommandError(f"{lost} The old key still works.", *_recovery(new_id, owner, file)) from None


def _save(
    target: Target, client: Client, new: dict[str, Any], destination: Destination, recovery: list[str]
) -> None:
    """Try the new secret and write it. Raises CommandError, then the file has not changed, or KeyboardInterrupt."""
    try:
        _try(client, new)
        destination.write(new["secret"], client.server)
        if target.context.as_json and destination.path is None:
            document(new)
        else:
            destination.show(new["secret"])
    except KeyboardInterrupt:
        if not destination.holds(new["secret"]):
            say("The key was rotated, but the new secret was not saved. The old key still works.", *recovery)
        raise
    except OSError as error:
        if destination.path is None:
            discard_stdout()
        lost = f"{not_written(destination.path, error)} The old key still works."
        raise CommandError(lost, *recovery) from None
    except CommandError as fault:
        raise CommandError(*fault.lines, *recovery, exit_code=fault.exit_code) from None


def _try(client: Client, new: dict[str, Any]) -> None:
    """Check that the server accepts the new key, and raise CommandError if not; if it cannot be reached, only warn."""
    try:
        is_new = authenticates(_with_secret(client, new), new)
    except Unreachable as fault:
        tell("The new key could not be tried.", *fault.lines)
        return
    except Problem as refusal:
        reason = clean(refusal.document.get("detail") or refusal.document.get("code"))
        message = f"The new key was tried and refused: {reason} It was not saved."
        raise CommandError(message, exit_code=refusal.exit_code) from None
    if not is_new:
        raise CommandError("The new key was tried and belongs to another account. It was not saved.")


def _with_secret(client: Client, new: dict[str, Any]) -> Client:
    return Client(client.server, Credential(Source(Kind.ANSWER, "the new key"), new["secret"], client.server))


def _recovery(new_id: object, owner: KeyOwner, file: Path | None) -> list[str]:
    """Return lines that say how to get another secret when that of the new key is lost."""
    if not new_id:
        return [f"{owner.list_command} shows the new key: rotate that one by its id."]
    output = shell("-o", file, "--force") if file else "-o FILE"
    command = owner.command_for("rotate", {"id": new_id})
    return [f"Rotate the new key to get another secret: {command} {output}"]


def _end_old(client: Client, old: dict[str, Any], owner: KeyOwner, *, now: bool) -> None:
    """Report when the old key ends; with `now`, revoke it instead. Raises CommandError when that fails."""
    if now:
        try:
            client.ask("DELETE", owner.path_of(old))
        except CommandError as fault:
            how = f"The old key still works. Revoke it: {owner.command_for('revoke', old)}"
            raise CommandError(*fault.lines, how, exit_code=fault.exit_code) from None
        tell("The old key was revoked.")
        return
    try:
        end = minute_in(client.ask_object("GET", owner.path_of(old)), "expires_at")
    except CommandError:
        end = ""
    tell(f"The old key works until {end}." if end else "The old key ends soon.")
