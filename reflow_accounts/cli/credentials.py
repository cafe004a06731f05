"""Finds the credential to use, in the first source that has one, and the server it belongs to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from reflow_accounts.cli import git
from reflow_accounts.cli.errors import NotSignedIn, ServerFault, UsageFault
from reflow_accounts.cli.http.server_address import check_encryption
from reflow_accounts.cli.http.user_agent import is_ci
from reflow_accounts.cli.login.session_store import SessionStore
from reflow_accounts.cli.secret_file import (
    EmptyVariable,
    ForeignFile,
    KeyText,
    MalformedFile,
    UnreadableFile,
    UnusableFile,
    key_in_bytes,
    key_in_file,
    key_in_text,
)
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import KEY_FILE_NAME, Code

VARIABLE = "REFLOW_API_KEY"
HOME_KEY = Path(".reflow", "api.key")
STDIN = "-"  # as the file after -k


class Kind(StrEnum):
    """The kinds of source, in the order of the search."""

    OPTION = "-k"
    VARIABLE = "environment variable"
    REPOSITORY = "git root"
    HOME = "home folder"
    LOGIN = "reflow login"
    # Not searched: the secret for `login --with-token`, and the secret of a new key.
    TOKEN = "--with-token"  # noqa: S105 (a name)
    ANSWER = "answer of the server"


# The values of --as.
PLACES = {"login": Kind.LOGIN, "home": Kind.HOME, "repo": Kind.REPOSITORY, "env": Kind.VARIABLE}

_CREATE = "Create one with reflow keys create NAME --as login --save"
_ABSENT = {
    Kind.VARIABLE: f"{VARIABLE} is not set. Set it to an API key, or leave --as out.",
    Kind.REPOSITORY: f"no {KEY_FILE_NAME} at the root of a git repository here. {_CREATE} repo, or leave --as out.",
    Kind.HOME: f"no {HOME_KEY} in the home folder. {_CREATE} home, or leave --as out.",
    Kind.LOGIN: "no login at this server. Run reflow login, or leave --as out.",
}
_NEW_KEY = "Create a new one in Account > API Keys"
_REMEDIES = {
    Kind.OPTION: f"{_NEW_KEY} and put it there, or leave -k out.",
    Kind.VARIABLE: f"{_NEW_KEY} and set it, or unset {VARIABLE} and run reflow login.",
    Kind.REPOSITORY: f"{_NEW_KEY} and put it there, or remove the file and run reflow login.",
    Kind.HOME: f"{_NEW_KEY} and put it there, or remove the file and run reflow login.",
    Kind.LOGIN: "Run reflow login to log in again.",
    Kind.TOKEN: f"{_NEW_KEY} and give it on stdin.",
    Kind.ANSWER: "Look at the keys with reflow keys list.",
}
_REFUSALS: dict[str, str] = {
    Code.REVOKED_KEY: "was revoked",
    Code.EXPIRED_KEY: "has expired",
    Code.UNKNOWN_KEY: "is not known to {server}",
    Code.ACCOUNT_DISABLED: "belongs to an account that is disabled",
    Code.MALFORMED_KEY: "is not a whole key, according to {server}",
}


class Source(NamedTuple):
    """A source that has a credential: a file, a variable, or the login at a server."""

    kind: Kind
    where: str
    path: Path | None = None

    def __str__(self) -> str:
        if self.kind is Kind.LOGIN:
            return f"the login at {self.where}"
        if self.kind is Kind.ANSWER:
            return self.where
        return f"the key in {self.where} ({self.kind})"

    @property
    def remedy(self) -> str:
        """The advice for a refused credential."""
        return _REMEDIES[self.kind]

    def refusal(self, problem: Mapping[str, object], server: str) -> str:
        """Return the message for this credential when `server` answered 401 with the document `problem`."""
        code = str(problem.get("code"))
        reason = _REFUSALS.get(code, "was refused by {server}").format(server=server)
        is_service, remedy = problem.get("account_kind") == "service_account", self.remedy
        if code == Code.ACCOUNT_DISABLED:
            remedy = "An Admin of its team can enable it." if is_service else "Contact support."
        elif is_service:
            remedy = (
                "It belongs to a service account: an Admin of the team creates another in Account > Team."
            )
        return f"{self} {'has ended' if self.kind is Kind.LOGIN else reason}. {remedy}"


class Credential:
    """A secret, its source, and the only server that it is sent to."""

    def __init__(self, source: Source, secret: str, server: str) -> None:
        self.source, self.secret, self.server = source, secret, server


class Environment(NamedTuple):
    """The input of the credential search.

    `place` limits the search to one kind of source. `server` is the address in the option or variable
    `server_source`, or "". `allows_http` permits unencrypted requests to other machines.
    """

    key_file: str | None
    place: Kind | None
    environ: Mapping[str, str]
    folder: Path | None
    home: Path | None
    store: SessionStore | None
    server: str
    server_source: str
    allows_http: bool
    read_stdin: Callable[[], bytes]

    def only_login(self) -> str:
        """Return the server of the only login, or "" for none or several. Raises NotSignedIn."""
        servers = self.store.servers() if self.store else []
        return servers[0] if len(servers) == 1 else ""


def home_variable(system: str = os.name) -> str:
    """Return the name of the environment variable that names the home folder."""
    return "USERPROFILE" if system == "nt" else "HOME"


def home_of(environ: Mapping[str, str], system: str = os.name) -> Path | None:
    """Return the home folder that the environment names, or None. A relative path is not trusted."""
    home = Path(environ.get(home_variable(system), ""))
    return home if home.is_absolute() else None


def sources(environment: Environment) -> list[Source]:
    """Return every source that has a credential, the one in use first. Opens no key file."""
    listed = []
    if environment.key_file is not None:
        name = environment.key_file
        path = (environment.folder or Path()) / name
        listed.append(Source(Kind.OPTION, "stdin") if name == STDIN else _file(Kind.OPTION, path))
    # In CI, an empty variable is a secret that is missing: another credential must not take its place.
    if environment.environ.get(VARIABLE) or (VARIABLE in environment.environ and is_ci(environment.environ)):
        listed.append(Source(Kind.VARIABLE, VARIABLE))
    root = git.root_of(environment.folder)
    if root and _exists(root / KEY_FILE_NAME):
        listed.append(_file(Kind.REPOSITORY, root / KEY_FILE_NAME))
    if environment.home and _exists(environment.home / HOME_KEY):
        listed.append(_file(Kind.HOME, environment.home / HOME_KEY))
    if environment.store and (servers := _servers_of_logins(environment, environment.store)):
        listed.append(Source(Kind.LOGIN, " or ".join(servers), environment.store.path))
    return [source for source in listed if environment.place in (None, source.kind)]


def _servers_of_logins(environment: Environment, store: SessionStore) -> list[str]:
    if environment.server:
        return [environment.server] if store.has_session(environment.server) else []
    try:
        return store.servers()
    except NotSignedIn:  # damaged: reported when it is used
        return [str(store.path)]


def credential_of(source: Source, environment: Environment, *, accepts_session: bool = False) -> Credential:
    """Return the credential of `source`, with its server; `accepts_session` also reads a login from stdin.

    Raises NotSignedIn when the credential cannot be used. Raises UsageFault when the file after `-k` cannot be
    read, and when the server is unknown, differs from the named one or would get the secret unencrypted. The
    message names the source and never its content.
    """
    try:
        key = _key(source, environment, accepts_session)
    except UnusableFile as fault:
        raise _unusable(source, fault) from None
    return Credential(source, key.secret, _server_of(source, key, environment))


def _unusable(source: Source, fault: UnusableFile) -> Exception:
    where = f"{source.where} ({source.kind})"
    if source.kind is Kind.VARIABLE and isinstance(fault, EmptyVariable):
        return NotSignedIn(
            f"{VARIABLE} is set but empty: the secret is missing. "
            "Add it to the secrets of your CI, and check that this job may read it."
        )
    if isinstance(fault, ForeignFile):
        return NotSignedIn(f"{where} {fault}. If you trust it, name it: -k {shell(source.where)}")
    if source.kind is Kind.OPTION and isinstance(fault, UnreadableFile):
        return UsageFault(f"{where} {fault}. Name another file, or leave -k out.")
    if isinstance(fault, UnreadableFile):
        return NotSignedIn(f"{where} {fault}. Make it a file that you can read, or remove it.")
    if isinstance(fault, MalformedFile) and (source.path or source.kind is Kind.VARIABLE):
        how = "remove it" if source.path else f"unset {VARIABLE}"
        return NotSignedIn(f"{where} {fault}. Correct it, or {how} and run reflow login.")
    return NotSignedIn(f"{where} {fault}. {source.remedy}")


def _key(source: Source, environment: Environment, accepts_session: bool) -> KeyText:
    if source.kind is Kind.VARIABLE:
        text = environment.environ[VARIABLE]
        if not text.strip():
            raise EmptyVariable("is empty")
        return key_in_text(text, accepts_session=True)
    if source.kind is Kind.LOGIN:
        server = environment.server or environment.only_login()
        session = environment.store.session_for(server) if environment.store and server else None
        return KeyText(session.secret if session else "", server)
    if source.path is None:
        return key_in_bytes(environment.read_stdin(), accepts_session=accepts_session)
    return key_in_file(source.path, is_named=source.kind is Kind.OPTION)


def _server_of(source: Source, key: KeyText, environment: Environment) -> str:
    if key.server and environment.server and key.server != environment.server:
        fault = ServerFault(
            f"{source} belongs to {key.server}, but {environment.server_source} says {environment.server}. "
            f"Nothing was sent. Leave {environment.server_source} out, or use a credential of that server."
        )
        fault.fix = f"reflow --server {shell(key.server)} doctor"
        raise fault
    is_login = source.kind is Kind.LOGIN
    server = key.server or environment.server or environment.only_login()
    if not server:
        why = f"{source} does not say which server it belongs to."
        raise ServerFault(*no_server(environment, "Several logins are possible." if is_login else why))
    check_encryption(server, allowed=environment.allows_http)
    return server


def no_credential(environment: Environment) -> NotSignedIn:
    """Return the error for a search that found nothing: what to do, with a hint for a worktree without a key."""
    if environment.place:
        option = next(name for name, kind in PLACES.items() if kind is environment.place)
        absent = _ABSENT[environment.place]
        return NotSignedIn(f"There is no credential in the place of --as {option}: {absent}")
    server = environment.server or environment.only_login()
    at, option = (f" at {server}", "") if server else ("", " --server https://HOST")
    if environment.server_source == "--server":
        check_encryption(server, allowed=environment.allows_http)
        option = f" --server {shell(server)}"
    lines = [
        f"You are not signed in{at}. Run reflow login{option}, or put an API key into "
        f"the variable {VARIABLE}, a file {KEY_FILE_NAME} at the git root, or ~/.reflow/api.key."
    ]
    root = git.root_of(environment.folder)
    main = git.main_checkout_of(root) if root else None
    if root and main and _exists(main / KEY_FILE_NAME):
        lines += [
            f"{root} is a linked worktree and has no key of its own; the main checkout has one. Copy it:",
            f"    {shell('cp', '-p', main / KEY_FILE_NAME, root / KEY_FILE_NAME)}",
        ]
    return NotSignedIn(*lines)


def no_server(environment: Environment, why: str) -> list[str]:
    """Return the message for a missing server: `why`, and the ways to name one. Raises NotSignedIn."""
    servers = environment.store.servers() if environment.store else []
    logins = [f"You are logged in at {' and '.join(servers)}; name the one you mean."] if servers else []
    return [
        why,
        *logins,
        "Name the server in one of these ways:",
        "    --server https://HOST",
        "    the variable REFLOW_SERVER",
        "    the line # server: https://HOST in the key file",
        "    reflow login --server https://HOST",
    ]


def _file(kind: Kind, path: Path) -> Source:
    return Source(kind, str(path), path)


def _exists(path: Path) -> bool:
    """Return whether `path` exists. A path that cannot be examined counts: the error is reported when it is read."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
