"""Rotates a key: the server creates a new one, whose secret replaces the old one."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, NamedTuple

import click

from reflow_accounts.cli.credentials import Credential, Kind
from reflow_accounts.cli.errors import ApiError, CommandError, NoMatch, Unreachable
from reflow_accounts.cli.http.client import ApiClient, as_object
from reflow_accounts.cli.keys.create import not_written, request_key, with_secret
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
    target: Target, client: ApiClient, name_or_id: str, owner: KeyOwner = OWN, *, overlap: str
) -> None:
    """Replace a key with a new one of the same name, and report when the old one ends.

    The new secret replaces the old one in the file from which this run read it, or goes to `target`. The same
    holds when the old key has itself replaced the key in that file, whose rotation was not answered.
    Raises CommandError, whose message says which keys still work.
    """
    old = key_named(client, name_or_id, owner=owner)
    name = clean(old.get("name") or old.get("id"))
    if old.get("revoked_at"):
        raise NoMatch(f"The key {name} is revoked already. Make a new one with {owner.create_command} NAME.")
    in_use = _key_in_use(client, old, owner)
    ending = in_use or old
    if overlap == "0" and not target.yes and target.context.may_ask and was_used_recently(ending):
        summary = usage_summary(ending, name, is_own=in_use is not None)
        if not click.confirm(f"{summary}. Copies elsewhere stop working at once. Rotate it?", err=True):
            raise CommandError("Nothing was changed.")
    credential = client.credential if in_use else None
    destination = _destination(target, credential)
    recovery = _Recovery(owner, destination.path, target.context.given_options, is_by_old=in_use is not None)
    try:
        target.ignore_in_git()
        new = _request(client, old, owner, OVERLAPS[overlap], recovery)
        _save(target, client, new, destination, recovery.lines(new.get("id")))
    finally:
        destination.close()
    where = (
        f"the new one is in {destination.path}"
        if destination.path
        else "save the new one now, it is shown only this once"
    )
    tell(f"The key {name} was rotated: {where}.", *_end_of(new, old, owner), *destination.warnings())
    by = client if credential is None else with_secret(client, new)
    _end_old(by, [ending] if ending is old else [ending, old], owner, now=overlap == "0")
    if credential and not is_same_file(credential.source.path, destination.path):
        tell(_still_old(credential))
    if target.context.as_json and destination.path:
        document({field: value for field, value in new.items() if field != "secret"})


def _key_in_use(client: ApiClient, key: dict[str, Any], owner: KeyOwner) -> dict[str, Any] | None:
    """Return the key of this run if it is `key` or was replaced by `key`, else None. Raises CommandError."""
    if is_in_use(client, key):
        return key
    if owner is not OWN or not client.uses_key:
        return None
    by = as_object(client.ask_object("GET", "/me").get("authenticated_by"))
    used = client.ask_object("GET", owner.path_of(by))
    return used if key.get("id") and used.get("replaced_by") == key["id"] else None


def _end_of(new: dict[str, Any], old: dict[str, Any], owner: KeyOwner) -> list[str]:
    """Return lines that say when the new key expires, and how to avoid an end that the old one did not have."""
    end = minute_in(new, "expires_at")
    if not end:
        return []
    if new["expires_at"] == old.get("expires_at"):
        return [f"It expires {end}."]
    return [
        f"It expires {end}, as the key that rotated it does. "
        f"For a key that lasts, log in and run {owner.create_command} NAME --as login."
    ]


def _still_old(credential: Credential) -> str:
    """Return the message for the source of `credential`, the old key, when the new one is elsewhere."""
    source = credential.source
    if source.kind is Kind.LOGIN:
        command = shell("reflow", "login", "--server", credential.server, "--with-token")
        return f"The login at {source.where} still holds the old key: give the new one on stdin to {command}"
    return f"{source.where} still holds the old key: put the new one there."


def _destination(target: Target, credential: Credential | None) -> Destination:
    """Return the destination of the new secret; `credential` is the old key if it is in use, else None."""
    source = credential.source if credential else None
    if credential and source and source.path and source.kind in (Kind.OPTION, Kind.REPOSITORY, Kind.HOME):
        is_meant = target.path is None or is_same_file(source.path, target.path)
        if is_meant and source.path.is_file():
            return Destination(source.path, overwrite=True, replaces=credential.secret)
    return Destination(target.path, overwrite=target.overwrite)


class _Recovery(NamedTuple):
    """The command that gets another secret for `file` (None for stdout), with the `options` of this run.

    With `is_by_old` it uses the old key, and the new one cannot last longer.
    """

    owner: KeyOwner
    file: Path | None
    options: list[str]
    is_by_old: bool

    def command(self, name_or_id: object) -> str:
        """Return the command; by name, it finds the newest key, whether or not the old one was replaced."""
        output = ["-o", self.file, "--force"] if self.file else ["-o", "FILE"]
        command = self.owner.command_for("rotate", {"id": name_or_id})
        return f"{command} {shell(*output, *self.options)}"

    def lines(self, new_id: object) -> list[str]:
        """Return lines that say how to get another secret when that of the new key is lost."""
        if not new_id:
            return [f"{self.owner.list_command} shows the new key: rotate that one by its id."]
        lines = [f"Rotate the new key to get another secret: {self.command(new_id)}"]
        if self.is_by_old:
            lines.append(
                "That secret ends with the old key; with a login (--as login) instead of the key it does not."
            )
        return lines


def _request(
    client: ApiClient, old: dict[str, Any], owner: KeyOwner, seconds: int, recovery: _Recovery
) -> dict[str, Any]:
    """Request the rotation and return the new key. After a lost response, repeat it once with the same nonce."""
    path, payload = (
        f"{owner.path_of(old)}/rotation",
        {"overlap": seconds, "nonce": secrets.token_urlsafe(16)},
    )
    name, is_repeated = clean(old.get("name")), False
    # A name that looks like an option cannot stand before one.
    known_as = old.get("id") if name.startswith("-") else old.get("name")
    hint = f"If the key {name} was rotated anyway, this gets another secret: {recovery.command(known_as)}"
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
                new_id = _replacement_of(client, old, owner)
                if not new_id:
                    raise Unreachable(*fault.lines, hint) from None
                raise _lost(name, recovery.lines(new_id)) from None
            is_repeated = True
        except ApiError as problem:
            new_id = problem.document.get("replaced_by")
            if not new_id:
                raise
            if is_repeated:
                raise _lost(name, recovery.lines(new_id)) from None
            lines = [
                *problem.lines,
                "Its secret is where that rotation saved it. Only if it is lost:",
                *recovery.lines(new_id),
            ]
            raise CommandError(*lines, exit_code=problem.exit_code) from None


def _replacement_of(client: ApiClient, old: dict[str, Any], owner: KeyOwner) -> object:
    """Return the id of the key that replaced `old`, or None, also when the server does not answer."""
    try:
        return client.ask_object("GET", owner.path_of(old)).get("replaced_by")
    except CommandError:
        return None


def _lost(name: str, recovery: list[str]) -> CommandError:
    lost = f"The key {name} was rotated, but the answer with the new secret was lost."
    return CommandError(f"{lost} The old key still works.", *recovery)


def _save(
    target: Target, client: ApiClient, new: dict[str, Any], destination: Destination, recovery: list[str]
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


def _try(client: ApiClient, new: dict[str, Any]) -> None:
    """Check that the server accepts the new key, and raise CommandError if not; if it cannot be reached, only warn."""
    try:
        is_new = authenticates(with_secret(client, new), new)
    except Unreachable as fault:
        tell("The new key could not be tried.", *fault.lines)
        return
    except ApiError as refusal:
        reason = clean(refusal.document.get("detail") or refusal.document.get("code"))
        message = f"The new key was tried and refused: {reason} It was not saved."
        raise CommandError(message, exit_code=refusal.exit_code) from None
    if not is_new:
        raise CommandError("The new key was tried and belongs to another account. It was not saved.")


def _end_old(client: ApiClient, keys: list[dict[str, Any]], owner: KeyOwner, *, now: bool) -> None:
    """Report when the first of the old `keys` ends; with `now`, revoke all. Raises CommandError when that fails."""
    if now:
        for key in keys:
            try:
                client.ask("DELETE", owner.path_of(key))
            except CommandError as fault:
                how = f"The old key still works. Revoke it: {owner.command_for('revoke', key)}"
                raise CommandError(*fault.lines, how, exit_code=fault.exit_code) from None
        tell("The old key was revoked.")
        return
    try:
        end = minute_in(client.ask_object("GET", owner.path_of(keys[0])), "expires_at")
    except CommandError:
        end = ""
    tell(f"The old key works until {end}." if end else "The old key ends soon.")
