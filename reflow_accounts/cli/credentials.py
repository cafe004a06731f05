"""Which credential is used: the first source that has one (contract, section 8)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from reflow_accounts.cli import git
from reflow_accounts.cli.errors import NotSignedIn, UsageFault
from reflow_accounts.cli.http.server_address import is_exposed
from reflow_accounts.cli.keys.gitignore import git_warnings
from reflow_accounts.cli.login.session_store import SessionStore
from reflow_accounts.cli.secret_file import (
    UnreadableFile,
    UnusableFile,
    is_readable_by_others,
    secret_in_file,
    secret_in_text,
)
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import KEY_FILE_NAME, Code

VARIABLE = "REFLOW_API_KEY"
HOME_KEY = Path(".reflow", "api.key")


class Kind(StrEnum):
    """The kinds of source, in the order of the search."""

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
    Code.ACCOUNT_DISABLED: "belongs to an account that is disabled",
    Code.MALFORMED_KEY: "is not a whole key, says {server}",
}


class Source(NamedTuple):
    """A source that has a credential: a file, a variable, or the login at a server."""

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

    def refusal(self, code: str, server: str) -> str:
        """Return the message for a credential that `server` refused with a 401 of this code."""
        reason = _REFUSALS.get(code, "was refused by {server}").format(server=server)
        return f"{self} {'has ended' if self.kind is Kind.LOGIN else reason}. {self.remedy}"


class Credential:
    """A secret for the server, and its source."""

    def __init__(self, source: Source, secret: str) -> None:
        self.source, self.secret = source, secret


class Environment(NamedTuple):
    """The input of the search for a credential."""

    key_file: str | None
    environ: Mapping[str, str]
    folder: Path | None
    home: Path | None
    store: SessionStore | None
    server: str


def home_variable(system: str = os.name) -> str:
    """Return the name of the environment variable that names the home folder."""
    return "USERPROFILE" if system == "nt" else "HOME"


def home_of(environ: Mapping[str, str], system: str = os.name) -> Path | None:
    """Return the home folder that the environment names, or None. A relative path is not trusted."""
    home = Path(environ.get(home_variable(system), ""))
    return home if home.is_absolute() else None


def sources(environment: Environment) -> list[Source]:
    """Return every source that has a credential, the one in use first. Opens no key file."""
    found = []
    if environment.key_file is not None:
        found.append(_file(Kind.OPTION, (environment.folder or Path()) / environment.key_file))
    if environment.environ.get(VARIABLE):
        found.append(Source(Kind.VARIABLE, VARIABLE))
    root = git.root_of(environment.folder)
    if root and _exists(root / KEY_FILE_NAME):
        found.append(_file(Kind.REPOSITORY, root / KEY_FILE_NAME))
    if environment.home and _exists(environment.home / HOME_KEY):
        found.append(_file(Kind.HOME, environment.home / HOME_KEY))
    if environment.store and environment.store.has_session(environment.server):
        found.append(Source(Kind.LOGIN, environment.server, environment.store.path))
    return found


def credential_of(source: Source, environment: Environment) -> Credential:
    """Return the credential of `source`.

    Raises NotSignedIn, or UsageFault for an unreadable file after `-k`; the message names the source and
    never its content.
    """
    try:
        return Credential(source, _secret(source, environment))
    except UnusableFile as fault:
        if source.kind is Kind.OPTION and isinstance(fault, UnreadableFile):
            raise UsageFault(f"{source.where} (-k) {fault}. Name another file, or leave -k out.") from None
        raise NotSignedIn(f"{source.where} ({source.kind}) {fault}. {source.remedy}") from None


def _secret(source: Source, environment: Environment) -> str:
    if source.kind is Kind.VARIABLE:
        return secret_in_text(environment.environ[VARIABLE])
    if source.kind is Kind.LOGIN:
        session = environment.store.session_for(environment.server) if environment.store else None
        if session is None:
            raise UnusableFile("holds no session")
        return session.secret
    return secret_in_file(source.path or Path(source.where), only_regular=source.kind is not Kind.OPTION)


def warnings_for(sources: list[Source], server: str) -> list[str]:
    """Return warnings about unprotected credentials, each with the command that fixes it."""
    lines = []
    for source in sources:
        if source.path and is_readable_by_others(source.path):
            lines += [
                f"warning: {source.path} can be read by others. Fix it:",
                f"    {shell('chmod', '600', source.path)}",
            ]
        if source.path and source.kind is Kind.REPOSITORY:
            lines += git_warnings(source.path, source.path.parent)
    if sources and is_exposed(server):
        lines.append(f"warning: your secret travels unencrypted to {server}. Use https:// with --server.")
    return lines


def _file(kind: Kind, path: Path) -> Source:
    return Source(kind, str(path), path)


def _exists(path: Path) -> bool:
    """Return whether `path` exists in any form; one that cannot be examined counts and fails later, by name."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
