"""The steps of a rotation, in the order that leaves a working key wherever it breaks off, and the way back."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from reflow_accounts.cli.credentials import Credential, Kind, Place
from reflow_accounts.cli.errors import CommandError, Problem, Unreachable
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.keys.create import Target, created, not_written, taken_back
from reflow_accounts.cli.keys.exchange import Exchange
from reflow_accounts.cli.keys.lookup import KeyOwner
from reflow_accounts.cli.keys.unfinished_rotation import name_until_the_end, naming, with_suffix
from reflow_accounts.cli.output import document, give_up_stdout, moment, say
from reflow_accounts.cli.text import clean, time_in


class Rotation:
    """One key, `old`, that is exchanged for a new one.

    Two live keys may not share a name, so the new one bears its own until the old one has given the name
    up. `is_own` says that the old key is the credential of this run; then the new one ends it. `Rotation`
    of one that broke off begins with `end_old`, or with `name_new` when the old key is gone.
    """

    def __init__(self, client: Client, ring: KeyOwner, old: dict[str, Any], *, is_own: bool) -> None:
        self.client, self.ring, self.old, self.is_own = client, ring, old, is_own
        self.name = str(old.get("name"))
        self._fresh = client
        self._end = "was revoked"
        self._born = client.now()

    def make(self) -> dict[str, Any]:
        """Make the new key, whose life is as long as the old one's.

        Raises CommandError; nothing was changed then, but for a key that nobody has.
        """
        born, ends = time_in(self.old, "created_at"), time_in(self.old, "expires_at")
        # At once, and not when the old key has ended: whatever breaks off, no key is left without its end.
        end = self._born + (ends - born) if born and ends else None
        new = created(self.client, name_until_the_end(self.name), self.ring, end)
        born = time_in(new, "created_at")
        if born is None:
            raise Unreachable(
                f"{self.client.server} does not say when it made the key. {taken_back(self.client, new, self.ring)}"
            )
        self._born = born
        return new

    def prove(self, new: dict[str, Any], exchange: Exchange, target: Target) -> None:
        """Put the new secret in its place and see that it opens the API.

        Otherwise have everything as it was, and raise CommandError, or what interrupted.
        """
        try:
            target.have_git_ignore_it()
            exchange.put(new["secret"])
            self._try(new, exchange)
            self._show(new, exchange, as_json=target.context.as_json)
        except (CommandError, OSError, KeyboardInterrupt) as fault:
            self._go_back(new, exchange, fault)

    def end_old(self, new: dict[str, Any], file: Path | None, overlap: timedelta | None) -> None:
        """Revoke the old key, or have it end after `overlap`. `file` is where the new one is; None: shown.

        Raises CommandError, or what interrupted, after it was said what is live and how to go on.
        """
        old = self.ring.path_of(self.old)
        try:
            if overlap is None:
                self._ender.ask("DELETE", old)
            else:
                self._limit(old, self._born + overlap)
        except (CommandError, KeyboardInterrupt) as fault:
            _give_up(
                fault,
                _live(new, file),
                f"The old key {clean(self.name)} may be live too. End it: {self.ring.revoking(self.old)}",
                f"Then give the new one its name: {naming(self.ring, new, self.name)}",
                *self._again(file),
            )

    def name_new(self, new: dict[str, Any], file: Path | None) -> dict[str, Any]:
        """Give the new key the name of the old one, and return it. Raises as `end_old` does."""
        try:
            return self._ender.ask_object("PATCH", self.ring.path_of(new), body={"name": self.name})
        except (CommandError, KeyboardInterrupt) as fault:
            how = f"To give the new one its name: {naming(self.ring, new, self.name)}"
            _give_up(fault, _live(new, file), f"The old key {self._end}. {how}", *self._again(file))

    def _again(self, file: Path | None) -> list[str]:
        """Return the line about running the command again, if it will find the new key and a good credential."""
        credential = self.client.credential
        mine = credential.place.path if credential and self.is_own else file
        is_found = file is not None and mine is not None and os.path.realpath(file) == os.path.realpath(mine)
        return ["Or run the same command again: it does the rest."] if is_found else []

    @property
    def _ender(self) -> Client:
        return self._fresh if self.is_own else self.client

    def told(self, exchange: Exchange) -> list[str]:
        """Return the lines that say what is true now."""
        name = clean(self.name)
        if exchange.path:
            return [
                f"The key {name} was rotated: the new one is in {exchange.path}. The old one {self._end}."
            ]
        return [
            f"The key {name} was rotated. The old one {self._end}.",
            "Save the new one now: it is shown only this once.",
        ]

    def _try(self, new: dict[str, Any], exchange: Exchange) -> None:
        where = str(exchange.path or "the answer of the server")
        place = Place(Kind.OPTION, where, exchange.path)
        self._fresh = Client(self.client.server, Credential(place, exchange.found(new["secret"])))
        try:
            by = self._fresh.ask_object("GET", "/me").get("authenticated_by")
        except Problem as refusal:
            reason = clean(refusal.document.get("detail") or refusal.document.get("code"))
            raise CommandError(
                f"The new key was tried and refused: {reason}", exit_code=refusal.exit_code
            ) from None
        if not isinstance(by, dict) or by.get("id") != new.get("id"):
            raise CommandError("The new key was tried and opens something else.")

    def _show(self, new: dict[str, Any], exchange: Exchange, *, as_json: bool) -> None:
        if exchange.path is None and as_json:
            document({**new, "name": self.name})
        else:
            exchange.show(new["secret"])

    def _go_back(self, new: dict[str, Any], exchange: Exchange, fault: BaseException) -> NoReturn:
        if isinstance(fault, OSError):
            if exchange.path is None:
                give_up_stdout()
            fault = CommandError(not_written(exchange.path, fault))
        try:
            exchange.undo(new["secret"])
        except OSError as error:
            kept = f"{exchange.path} could not be put back ({error.strerror}) and holds the new key"
            _give_up(fault, f"{kept}. That one and the old key {clean(self.name)} are both live.")
        outcome = taken_back(self.client, new, self.ring)
        where = f" Nothing has changed in {exchange.path}." if exchange.path else ""
        _give_up(fault, outcome, f"The old key {clean(self.name)} is live.{where}")

    def _limit(self, path: str, until: datetime) -> None:
        """Have the old key end at `until` (by the server's clock) and give its name up."""
        body = {"name": with_suffix(self.name, f" (old {self.old.get('hint')})")}
        ends = time_in(self.old, "expires_at")
        if ends is None or ends > until:
            body["expires_at"] = until.isoformat()
        limited = self._ender.ask_object("PATCH", path, body=body)
        self._end = f"is called {clean(limited.get('name'))} and ends {moment(limited.get('expires_at'))} UTC"


def _live(new: dict[str, Any], file: Path | None) -> str:
    return f"The new key {clean(new.get('name'))} is live: {file or 'the one shown'}."


def _give_up(fault: BaseException, *lines: str) -> NoReturn:
    """End the run for `fault`, and say what is true after it."""
    if isinstance(fault, CommandError):
        raise CommandError(*fault.lines, *lines, exit_code=fault.exit_code) from None
    say(*lines)
    raise fault
