"""The result of a check: its state, a description, and the command that fixes the problem or a credential."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from reflow_accounts.cli.credentials import VARIABLE, Kind, Source
from reflow_accounts.cli.errors import ApiError, CommandError
from reflow_accounts.cli.http.client import as_object, objects_in
from reflow_accounts.cli.http.server_address import is_exposed
from reflow_accounts.cli.secret_file import belongs_to_another
from reflow_accounts.cli.text import clean, redact, shell
from reflow_accounts.contract import Code

_LEAVE_OUT = "Name another file, or leave -k out."
_WITHOUT_OPTION = "reflow doctor"
_SAVE = {Kind.REPOSITORY: "repo", Kind.HOME: "home"}


class Severity(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """One line of the report. `fix` is the command or instruction that fixes the problem, or "" without one."""

    check: str
    state: Severity
    detail: str
    fix: str = ""

    @property
    def as_dict(self) -> dict[str, str]:
        """The finding without secrets and control characters."""
        return {name: redact(clean(value)) for name, value in self._asdict().items()}


Findings = Iterator[Finding]


def ok(check: str, detail: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(check, Severity.OK, detail)


def warning(check: str, detail: str, fix: str) -> Finding:
    """Return a finding about a possible or future problem."""
    return Finding(check, Severity.WARNING, detail, fix)


def error(check: str, detail: str, fix: str) -> Finding:
    """Return a finding about a problem."""
    return Finding(check, Severity.ERROR, detail, fix)


def check_mode(path: Path, allowed: int) -> Finding:
    """Check that the file or folder at `path` grants no more than the mode `allowed`."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as fault:
        return warning("mode", f"{path} cannot be checked ({fault.strerror})", shell("ls", "-l", path))
    if os.name != "posix" or not mode & ~allowed & 0o077:
        return ok("mode", f"{path} is {mode:04o}")
    return warning("mode", f"{path} is open to others ({mode:04o})", shell("chmod", f"{allowed:o}", path))


def login_command(server: str) -> str:
    """Return the command that logs in at `server`; for "", with a placeholder for the host."""
    return shell("reflow", "login", *_at(server or "https://HOST"))


def cause_of(fault: CommandError, source: Source) -> str:
    """Return why the credential of `source` cannot be used: the message without its advice."""
    text = fault.lines[0]
    # A path may contain ". ", which looks like the end of the sentence.
    names = [name for name in (source.where, str(source.path)) if name in text]
    start = max((text.index(name) + len(name) for name in names), default=0)
    return text[:start] + text[start:].partition(". ")[0].removesuffix(".") + "."


def unusable(source: Source, fault: CommandError, server: str, *, is_only: bool) -> tuple[str, str]:
    """Return the cause and the fix for a credential that cannot be read.

    `server` is the named server or "". `is_only` is true when no other source has a credential.
    """
    cause, path = cause_of(fault, source), source.path
    if source.kind is Kind.VARIABLE:
        return cause, f"unset {VARIABLE}"
    is_file = path is not None and os.path.isfile(path)  # noqa: PTH113 (Path.is_file may raise)
    is_locked = path is not None and is_file and not os.access(path, os.R_OK)
    if path and (is_locked or source.kind in _SAVE) and belongs_to_another(path):
        return cause, shell("sudo", "chown", "-h", os.geteuid(), path)
    if is_locked:
        return cause, shell("chmod", "600", path)
    if source.kind is Kind.OPTION:  # it may be any file, so do not suggest to replace it
        return f"{cause} {_LEAVE_OUT}", _WITHOUT_OPTION
    is_folder = path is not None and os.path.isdir(path)  # noqa: PTH112 (Path.is_dir may raise)
    remove = shell("rm", *(["-r"] if is_folder else []), path)
    if source.kind is Kind.LOGIN or is_only:
        return cause, f"{remove} && {login_command(server)}"
    return cause, f"{remove} && reflow keys create NAME --save {_SAVE[source.kind]}"


def refused(source: Source, problem: ApiError, server: str) -> tuple[str, str]:
    """Return the cause and the fix for the credential in use, which `server` refused with a 401."""
    cause, code = cause_of(problem, source), problem.document.get("code")
    if problem.document.get("account_kind") == "service_account":
        return problem.lines[0], f"open {server}/account/team"
    if code == Code.ACCOUNT_DISABLED:
        return problem.lines[0], f"open {server}/help"
    if source.kind is Kind.OPTION:
        if code not in (Code.REVOKED_KEY, Code.EXPIRED_KEY) or not (source.path and source.path.is_file()):
            return f"{cause} {_LEAVE_OUT}", _WITHOUT_OPTION
        output = ("-o", source.path, "--force")
        return cause, shell("reflow", "keys", "create", "NAME", *output, *_at(server))
    before = f"unset {VARIABLE} && " if source.kind is Kind.VARIABLE else ""
    if source.kind in _SAVE:
        before = f"{shell('rm', source.path)} && "
    return cause, f"{before}{login_command(server)}"


def hidden_refused(source: Source, server: str) -> str:
    """Return the command that removes a refused key, or replaces a refused login, that is not in use."""
    if source.kind is Kind.LOGIN:
        return login_command(server)
    return f"unset {VARIABLE}" if source.kind is Kind.VARIABLE else shell("rm", source.path)


def service_account_rotation(source: Source, me: dict[str, Any], key_id: object, server: str) -> str:
    """Return the command with which an Admin rotates the key of a service account and replaces its file.

    `me` is the answer of GET /me for the key. The command uses a login, because the key of a service account
    may not manage keys. It prints the new key when the old one is not in a file.
    """
    name, teams = clean(as_object(me.get("user")).get("name")), objects_in(me.get("teams"))
    command = ["reflow", "team", "service-accounts", "keys", "rotate", name, key_id]
    team = ["--team", teams[0].get("id")] if teams else []
    target: list[object] = ["--save", _SAVE[source.kind]] if source.kind in _SAVE else []
    if source.kind is Kind.OPTION and source.path and source.path.is_file():
        target = ["-o", source.path]
    return shell(*command, "--as", "login", *_at(server), *team, *target, *(["--force"] if target else []))


def _at(server: str) -> list[str]:
    return ["--server", server, *(["--insecure"] if is_exposed(server) else [])]
