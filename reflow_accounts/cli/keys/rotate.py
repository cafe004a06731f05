"""Rotates a key: a new key replaces it, and at every moment a working one is in the file or on the screen."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import click

from reflow_accounts.cli.credentials import Credential, Kind, Source
from reflow_accounts.cli.errors import CommandError, NotFound, Problem, Unreachable
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.keys.create import not_written, request_key, revoke_again
from reflow_accounts.cli.keys.destination import Destination, Target
from reflow_accounts.cli.keys.list_revoke import is_in_use, usage_summary, was_used_recently
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner, authenticates, key_named
from reflow_accounts.cli.keys.unfinished_rotation import (
    explain_missing,
    find_unfinished,
    rename_command,
    temporary_name,
    with_suffix,
)
from reflow_accounts.cli.output import discard_stdout, document, moment, say, tell
from reflow_accounts.cli.text import clean, time_in

OVERLAPS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}

overlap_option = click.option(
    "--overlap", type=click.Choice(list(OVERLAPS)), help="Let the old key work for this long; then it ends."
)


def rotate_key(
    target: Target,
    client: Client,
    name_or_id: str,
    owner: KeyOwner = OWN,
    *,
    overlap: str | None,
    yes: bool,
) -> None:
    """Create a new key in place of this one, and revoke the old one or let it expire after `overlap`.

    The new secret replaces the old one in the file from which this run read it, or goes to `target`. If the
    file contains the new key of an interrupted rotation, that rotation is finished. Raises CommandError,
    which says which key is live.
    """
    file = target.path or (_key_file(client.credential.source) if client.credential else None)
    try:
        old = _live_key(client, name_or_id, owner)
    except NotFound as fault:
        old, unfinished = {"name": name_or_id}, find_unfinished(file, client, owner, name_or_id)
        if unfinished is None:
            raise explain_missing(client, owner, name_or_id, fault) from None
    else:
        unfinished = find_unfinished(file, client, owner, str(old.get("name")))
    is_own = unfinished is None and is_in_use(client, old)
    rotation = Rotation(client, owner, old, is_own=is_own)
    if unfinished:
        if old.get("id"):
            _confirm(target, old, is_own=False, overlap=overlap, yes=yes)
            rotation.end_old(unfinished.key, unfinished.file, OVERLAPS.get(overlap or ""))
        shown = rotation.rename_new(unfinished.key, unfinished.file)
        tell(
            f"A rotation of the key {clean(rotation.name)} had broken off and is finished now: "
            f"the new one is in {unfinished.file}."
        )
        if target.context.as_json:
            document(shown)
    else:
        _rotate(target, client, rotation, overlap=overlap, yes=yes)


def _live_key(client: Client, name_or_id: str, owner: KeyOwner) -> dict[str, Any]:
    key = key_named(client, name_or_id, owner=owner)
    if key.get("revoked_at"):
        name = clean(key.get("name") or key.get("id"))
        raise NotFound(f"The key {name} is revoked already. Make a new one with {owner.create_command} NAME.")
    return key


def _rotate(target: Target, client: Client, rotation: Rotation, *, overlap: str | None, yes: bool) -> None:
    credential = client.credential if rotation.is_own else None
    file = _key_file(credential.source) if credential else None
    if credential and file and (target.path is None or _is_same(file, target.path)):
        destination = Destination(file, overwrite=True, replaces=credential.secret, with_undo=True)
    else:
        destination = Destination(target.path, overwrite=target.overwrite, with_undo=True)
    try:
        _confirm(target, rotation.old, is_own=rotation.is_own, overlap=overlap, yes=yes)
        new = rotation.create_new()
        rotation.deliver(new, destination, target)
        rotation.end_old(new, destination.path, OVERLAPS.get(overlap or ""))
        shown = rotation.rename_new(new, destination.path)
    finally:
        destination.close()
    tell(*rotation.summary(destination), *destination.warnings())
    source = credential.source if credential else None
    if source and not (source.path and destination.path and _is_same(source.path, destination.path)):
        tell(f"{source.where} still holds the old key: put the new one there.")
    if target.context.as_json and destination.path:
        document(shown)


def _confirm(target: Target, old: dict[str, Any], *, is_own: bool, overlap: str | None, yes: bool) -> None:
    """Ask the questions that come before any change. Raises CommandError when the user declines."""
    target.choose_ignore_file()
    if yes or overlap or not target.context.may_ask or not was_used_recently(old):
        return
    usage = usage_summary(old, clean(old.get("name")), is_own=is_own)
    effect = "Copies elsewhere stop working at once (with --overlap 24h, a day later)"
    if not click.confirm(f"{usage}. {effect}. Rotate it?", err=True):
        raise CommandError("Nothing was changed.")


def _key_file(source: Source) -> Path | None:
    """Return the regular file of a key, or None for other sources."""
    is_key_file = source.kind in (Kind.OPTION, Kind.REPOSITORY, Kind.HOME)
    return source.path if is_key_file and source.path and source.path.is_file() else None


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


class Rotation:
    """The steps of replacing the key `old`, in an order that leaves a working key wherever it stops.

    Two live keys cannot share a name, so the new one has a temporary name until the old one has given up
    its own. `is_own`: the old key is the credential of this run, so the new one ends it. An interrupted
    rotation is resumed at `end_old`, or at `rename_new` when the old key is gone.
    """

    def __init__(self, client: Client, owner: KeyOwner, old: dict[str, Any], *, is_own: bool) -> None:
        self.client, self.owner, self.old, self.is_own = client, owner, old, is_own
        self.name = str(old.get("name"))
        self._ending_client = client
        self._end = "was revoked"
        self._created_at = client.now()

    def create_new(self) -> dict[str, Any]:
        """Create the new key, with the same lifetime as the old one.

        Raises CommandError; then nothing was changed, except for a key that is in no file.
        """
        self._created_at = self.client.now()
        created, expires = time_in(self.old, "created_at"), time_in(self.old, "expires_at")
        # Set at once and not when the old key ends, so that an interruption leaves no key without an expiry.
        expires_at = self._created_at + (expires - created) if created and expires else None
        new = request_key(self.client, temporary_name(self.name), self.owner, expires_at)
        created = time_in(new, "created_at")
        if created is None:
            outcome = revoke_again(self.client, new, self.owner)
            raise Unreachable(f"{self.client.server} does not say when it made the key. {outcome}")
        self._created_at = created
        return new

    def deliver(self, new: dict[str, Any], destination: Destination, target: Target) -> None:
        """Write the new secret to its destination and check that the server accepts it.

        On failure everything is restored, and CommandError or the interruption is raised.
        """
        try:
            target.ignore_in_git()
            destination.write(new["secret"])
            self._check(new, destination)
            if destination.path is None and target.context.as_json:
                document({**new, "name": self.name})
            else:
                destination.show(new["secret"])
        except (CommandError, OSError, KeyboardInterrupt) as fault:
            self._restore(new, destination, fault)

    def end_old(self, new: dict[str, Any], file: Path | None, overlap: timedelta | None) -> None:
        """Revoke the old key, or let it expire after `overlap`. `file` contains the new one; None: it was shown.

        Raises CommandError or the interruption, with a message about the live keys and how to continue.
        """
        path = self.owner.path_of(self.old)
        try:
            if overlap is None:
                self._ending_client.ask("DELETE", path)
            else:
                self._expire_old(path, self._created_at + overlap)
        except (CommandError, KeyboardInterrupt) as fault:
            _fail(
                fault,
                _is_live(new, file),
                f"The old key {clean(self.name)} may be live too. End it: {self.owner.revoke_command(self.old)}",
                f"Then give the new one its name: {rename_command(self.owner, new, self.name)}",
                *self._retry_hint(file),
            )

    def rename_new(self, new: dict[str, Any], file: Path | None) -> dict[str, Any]:
        """Give the new key the name of the old one, and return it. Raises as `end_old` does."""
        path = self.owner.path_of(new)
        try:
            return self._ending_client.ask_object("PATCH", path, body={"name": self.name})
        except (CommandError, KeyboardInterrupt) as fault:
            how = f"To give the new one its name: {rename_command(self.owner, new, self.name)}"
            _fail(fault, _is_live(new, file), f"The old key {self._end}. {how}", *self._retry_hint(file))

    def summary(self, destination: Destination) -> list[str]:
        """Return the message about the result."""
        name = clean(self.name)
        if destination.path:
            return [
                f"The key {name} was rotated: the new one is in {destination.path}. The old one {self._end}."
            ]
        return [
            f"The key {name} was rotated. The old one {self._end}.",
            "Save the new one now: it is shown only this once.",
        ]

    def _retry_hint(self, file: Path | None) -> list[str]:
        """Return the hint to repeat the command, if that would find the new key and a valid credential."""
        credential = self.client.credential
        used = credential.source.path if credential and self.is_own else file
        if file and used and _is_same(file, used):
            return ["Or run the same command again: it does the rest."]
        return []

    def _check(self, new: dict[str, Any], destination: Destination) -> None:
        source = Source(Kind.OPTION, str(destination.path or "the answer of the server"), destination.path)
        client = Client(self.client.server, Credential(source, destination.read_back(new["secret"])))
        if self.is_own:
            self._ending_client = client
        try:
            is_new = authenticates(client, new)
        except Problem as refusal:
            reason = clean(refusal.document.get("detail") or refusal.document.get("code"))
            raise CommandError(
                f"The new key was tried and refused: {reason}", exit_code=refusal.exit_code
            ) from None
        if not is_new:
            raise CommandError("The new key was tried and opens something else.")

    def _restore(self, new: dict[str, Any], destination: Destination, fault: BaseException) -> NoReturn:
        if isinstance(fault, OSError):
            if destination.path is None:
                discard_stdout()
            fault = CommandError(not_written(destination.path, fault))
        try:
            destination.undo(new["secret"])
        except OSError as error:
            kept = f"{destination.path} could not be put back ({error.strerror}) and holds the new key"
            _fail(fault, f"{kept}. That one and the old key {clean(self.name)} are both live.")
        outcome = revoke_again(self.client, new, self.owner)
        unchanged = f" Nothing has changed in {destination.path}." if destination.path else ""
        _fail(fault, outcome, f"The old key {clean(self.name)} is live.{unchanged}")

    def _expire_old(self, path: str, until: datetime) -> None:
        """Let the old key expire at `until` (by the server's clock) and give up its name."""
        payload = {"name": with_suffix(self.name, f" (old {self.old.get('hint')})")}
        expires = time_in(self.old, "expires_at")
        if expires is None or expires > until:
            payload["expires_at"] = until.isoformat()
        old = self._ending_client.ask_object("PATCH", path, body=payload)
        self._end = f"is called {clean(old.get('name'))} and ends {moment(old.get('expires_at'))} UTC"


def _is_live(new: dict[str, Any], file: Path | None) -> str:
    return f"The new key {clean(new.get('name'))} is live: {file or 'the one shown'}."


def _fail(fault: BaseException, *lines: str) -> NoReturn:
    """Raise `fault` with more lines of message."""
    if isinstance(fault, CommandError):
        raise CommandError(*fault.lines, *lines, exit_code=fault.exit_code) from None
    say(*lines)
    raise fault
