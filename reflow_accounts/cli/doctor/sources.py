"""Which credential wins and why, what is at each place where one could be, and who may read it."""

from __future__ import annotations

import os
from pathlib import Path

from reflow_accounts.cli import git
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import HOME_KEY, VARIABLE, Credential, Kind, Place, credential_at, places
from reflow_accounts.cli.doctor.findings import Finding, Findings, error, mode_of, ok, warning
from reflow_accounts.cli.errors import CommandError, Problem
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.login.session_store import FILE as SESSIONS
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import KEY_FILE_NAME

LOG_IN = "reflow login"
_ABSENT = {
    Kind.OPTION: "no -k FILE was given",
    Kind.VARIABLE: f"{VARIABLE} is not set",
    Kind.REPOSITORY: "this folder is in no git repository",
    Kind.HOME: "there is no home folder",
    Kind.LOGIN: "nobody is logged in",
}


class Search:
    """The search for a credential, as every command does it, and what it came upon."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._around = context.environment
        self.found = {place.kind: place for place in places(self._around)}
        self._faults: dict[Kind, CommandError] = {}
        self._held = {kind: self._credential(place) for kind, place in self.found.items()}

    @property
    def winner(self) -> Place | None:
        """The place whose credential is used, be that one good or not."""
        return next(iter(self.found.values()), None)

    @property
    def credential(self) -> Credential | None:
        """What the winner holds, unless it cannot be used."""
        return self._held[self.winner.kind] if self.winner else None

    def _credential(self, place: Place) -> Credential | None:
        try:
            return credential_at(place, self._around)
        except CommandError as fault:
            self._faults[place.kind] = fault
            return None

    def findings(self, *, may_try: bool) -> Findings:
        """Say which credential wins, then what is at each of the six places.

        `may_try` shows each one that is hidden to the server too: it must be Reflow that answers there.
        """
        yield self._choice()
        for kind in Kind:
            yield self._at(kind, may_try)
        asks = "login starts" if self.context.may_ask else "nobody is asked: no terminal, or CI"
        yield ok("place 6", f"on a terminal, login: here {asks}")
        yield from self._modes()

    def _choice(self) -> Finding:
        if self.winner is None:
            return error("credential", f"there is none for {self.context.server or 'the server'}", LOG_IN)
        hidden = [str(place) for place in self.found.values() if place is not self.winner]
        why = "the first of the places that has one"
        detail = f"{self.winner} is used: {why}{'; it hides ' + ', '.join(hidden) if hidden else ''}"
        if self.credential is None:
            return error("credential", f"{detail}; it cannot be used", self.winner.remedy)
        return ok("credential", detail)

    def _at(self, kind: Kind, may_try: bool) -> Finding:
        check = f"place {list(Kind).index(kind) + 1}"
        place, fault = self.found.get(kind), self._faults.get(kind)
        if place is None:
            return ok(check, self._absent(kind))
        held = self._held[kind]
        if held:
            is_hidden = place is not self.winner
            return self._tried(check, held) if may_try and is_hidden else ok(check, _what_is_at(place))
        assert fault
        report = error if place is self.winner else warning
        words = fault.lines[0].removesuffix(place.remedy).rstrip()
        return report(check, words, self._mend(place))

    def _tried(self, check: str, hidden: Credential) -> Finding:
        """Say whether the server accepts a credential that is not used now, but would be without those before it."""
        place, what = hidden.place, _what_is_at(hidden.place)
        if self.credential and self.credential.secret == hidden.secret:
            return ok(check, f"{place.where} ({place.kind}) holds the same key as the one used")
        try:
            Client(self.context.server, hidden).ask_object("GET", "/me")
        except Problem as refusal:
            if refusal.status == 401:
                words = refusal.lines[0].removesuffix(place.remedy).rstrip()
                return warning(check, words, _without(place))
            if refusal.status != 403:  # known, but nobody pays
                return warning(
                    check, f"{what}, which could not be tried: {refusal.lines[0]}", "reflow doctor"
                )
        except CommandError as fault:
            return warning(check, f"{what}, which could not be tried: {fault.lines[0]}", "reflow doctor")
        return ok(check, f"{what}; it is accepted")

    def _absent(self, kind: Kind) -> str:
        root = git.root_of(self.context.folder)
        if kind is Kind.VARIABLE and VARIABLE in self.context.environ:
            return f"{VARIABLE} is empty, which counts as not set"
        if kind is Kind.REPOSITORY and root:
            return f"{root / KEY_FILE_NAME} is absent"
        if kind is Kind.HOME and self.context.home:
            return f"{self.context.home / HOME_KEY} is absent"
        return _ABSENT[kind] + (f" at {self.context.server}" if kind is Kind.LOGIN else "")

    def _mend(self, place: Place) -> str:
        if place.kind is Kind.VARIABLE:
            return f"unset {VARIABLE}"
        if place.path and place.path.is_file() and not os.access(place.path, os.R_OK):
            return shell("chmod", "600", place.path)
        if place.kind is Kind.OPTION:
            return place.remedy
        remove = shell("rm", *(["-r"] if place.path and place.path.is_dir() else []), place.path)
        if place.kind is Kind.LOGIN:
            return f"{remove} && {LOG_IN}"
        return f"{remove} && reflow keys create NAME --save {'repo' if place.kind is Kind.REPOSITORY else 'home'}"

    def _modes(self) -> Findings:
        home, root = self.context.home, git.root_of(self.context.folder)
        files = [place.path for place in self.found.values() if place.path]
        if home:
            files += [home / SESSIONS]
        for file in dict.fromkeys(files):
            if file.is_file():
                yield mode_of(file, 0o600)
        ours = home / HOME_KEY.parent if home else None
        if ours and ours.is_dir():
            yield mode_of(ours, 0o700)
        yield from _left_over(root)
        yield from _left_over(ours)


def _what_is_at(place: Place) -> str:
    return f"{place.where} ({place.kind}) holds {'a login' if place.kind is Kind.LOGIN else 'a whole key'}"


def _without(place: Place) -> str:
    """Return the command that takes a refused credential away, or puts a good one there."""
    if place.kind is Kind.LOGIN:
        return LOG_IN
    return f"unset {VARIABLE}" if place.kind is Kind.VARIABLE else shell("rm", place.path)


def _left_over(folder: Path | None) -> Findings:
    """Find what a command that was killed while it wrote a key has left."""
    for name in (KEY_FILE_NAME, HOME_KEY.name, SESSIONS.name):
        for file in sorted(folder.glob(f".{name}.????????")) if folder else ():
            detail = f"{file} was left behind by a command that was ended, and may hold a key"
            yield warning("left over", detail, shell("rm", file))
