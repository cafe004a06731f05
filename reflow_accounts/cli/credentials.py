"""Which credential a run uses: the first place that has one (contract, section 8)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from reflow_accounts.cli import git
from reflow_accounts.cli.errors import NotSignedIn, UsageFault
from reflow_accounts.cli.keys.file import Unreadable, Unusable, secret_in_file, secret_in_text
from reflow_accounts.cli.login.session_store import SessionStore
from reflow_accounts.contract import KEY_FILE_NAME, Code

VARIABLE = "REFLOW_API_KEY"
HOME_KEY = Path(".reflow", "api.key")


class Kind(StrEnum):
    """Where a credential was found, in the order of the search."""

    OPTION = "-k"
    VARIABLE = "environment variable"
    REPOSITORY = "git root"
    HOME = "home folder"
    LOGIN = "reflow login"


_NEW_KEY = "Create a new one in Account > API Keys"
_REMEDIES = {
    Kind.OPTION: f"{_NEW_KEY} and put it there, or leave -k out.",
    Kind.VARIABLE: f"{_NEW_KEY} and set it, or unset {VARIABLE} and run reflow login.",
    Kind.REPOSITORY: f"{_NEW_KEY} and put it there, or remove the file and run reflow login.",
    Kind.HOME: f"{_NEW_KEY} and put it there, or remove the file and run reflow login.",
    Kind.LOGIN: "Run reflow login to log in again.",
}


_REFUSALS: dict[str, str] = {
    Code.REVOKED_KEY: "was revoked",
    Code.EXPIRED_KEY: "has expired",
    Code.UNKNOWN_KEY: "is not known to {server}",
    Code.MALFORMED_KEY: "is not a whole key, says {server}",
}


class Place(NamedTuple):
    """A place that has a credential: a path, a variable, or the login at a server."""

    kind: Kind
    where: str
    path: Path | None = None

    def __str__(self) -> str:
        if self.kind is Kind.LOGIN:
            return f"the login at {self.where}"
        return f"the key in {self.where} ({self.kind})"

    @property
    def remedy(self) -> str:
        """What to do when the credential is refused."""
        return _REMEDIES[self.kind]

    def refused(self, code: str, server: str) -> str:
        """Return what to tell a person when `server` refused the credential with a 401 of this code."""
        reason = _REFUSALS.get(code, "was refused by {server}").format(server=server)
        return f"{self} {'has ended' if self.kind is Kind.LOGIN else reason}. {self.remedy}"


class Credential:
    """A secret to show to the server, and where it came from."""

    def __init__(self, place: Place, secret: str) -> None:
        self.place, self.secret = place, secret


class Environment(NamedTuple):
    """Everything that the search looks at."""

    key_file: str | None
    environ: Mapping[str, str]
    folder: Path | None
    home: Path | None
    store: SessionStore | None
    server: str


def home_variable(system: str = os.name) -> str:
    """Return the name of the variable that names the home folder."""
    return "USERPROFILE" if system == "nt" else "HOME"


def home_of(environ: Mapping[str, str], system: str = os.name) -> Path | None:
    """Return the home folder that the environment names, or None. A relative one is not trusted."""
    home = Path(environ.get(home_variable(system), ""))
    return home if home.is_absolute() else None


def places(around: Environment) -> list[Place]:
    """Return every place that has a credential, the one that wins first. Opens no key file."""
    found = []
    if around.key_file is not None:
        found.append(_file(Kind.OPTION, (around.folder or Path()) / around.key_file))
    if around.environ.get(VARIABLE):
        found.append(Place(Kind.VARIABLE, VARIABLE))
    root = git.root_of(around.folder)
    if root and _is_there(root / KEY_FILE_NAME):
        found.append(_file(Kind.REPOSITORY, root / KEY_FILE_NAME))
    if around.home and _is_there(around.home / HOME_KEY):
        found.append(_file(Kind.HOME, around.home / HOME_KEY))
    if around.store and around.store.has_session(around.server):
        found.append(Place(Kind.LOGIN, around.server, around.store.path))
    return found


def credential_at(place: Place, around: Environment) -> Credential:
    """Return the credential that `place` holds.

    Raises NotSignedIn, or UsageFault for an unreadable file after `-k`; both name the place and
    never what it holds.
    """
    try:
        return Credential(place, _secret(place, around))
    except Unusable as fault:
        if place.kind is Kind.OPTION and isinstance(fault, Unreadable):
            raise UsageFault(f"{place.where} (-k) {fault}. Name another file, or leave -k out.") from None
        raise NotSignedIn(f"{place.where} ({place.kind}) {fault}. {place.remedy}") from None


def _secret(place: Place, around: Environment) -> str:
    if place.kind is Kind.VARIABLE:
        return secret_in_text(around.environ[VARIABLE])
    if place.kind is Kind.LOGIN:
        return _session_secret(around)
    return secret_in_file(place.path or Path(place.where), plain=place.kind is not Kind.OPTION)


def _session_secret(around: Environment) -> str:
    session = around.store.session_for(around.server) if around.store else None
    if session is None:
        raise Unusable("holds no session")
    return session.secret


def _file(kind: Kind, path: Path) -> Place:
    return Place(kind, str(path), path)


def _is_there(path: Path) -> bool:
    """Say whether `path` is there in any shape: what cannot be looked at ends the run later, by name."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
