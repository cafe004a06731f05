"""Checks the sources of credentials: which one is used, the content of each, and file permissions."""

from __future__ import annotations

import os
from pathlib import Path

from reflow_accounts.cli import git
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import (
    HOME_KEY,
    PLACES,
    VARIABLE,
    Credential,
    Kind,
    Source,
    credential_of,
    sources,
)
from reflow_accounts.cli.doctor.findings import (
    Finding,
    Findings,
    cause_of,
    check_mode,
    error,
    hidden_refused,
    login_command,
    ok,
    unusable,
    warning,
)
from reflow_accounts.cli.errors import ApiError, CommandError, ServerFault
from reflow_accounts.cli.http.client import ApiClient
from reflow_accounts.cli.http.server_address import is_exposed
from reflow_accounts.cli.login.session_store import FILE as SESSIONS
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import KEY_FILE_NAME, Exit

_ABSENT = {
    Kind.OPTION: "no -k FILE was given",
    Kind.VARIABLE: f"{VARIABLE} is not set",
    Kind.REPOSITORY: "this folder is in no git repository",
    Kind.HOME: "there is no home folder",
    Kind.LOGIN: "there is no login",
}


class SourceChecks:
    """Searches for credentials as every command does, and stores the credential or error of each source."""

    def __init__(self, context: Context) -> None:
        self.context = context
        environment = context.environment
        self.by_kind = {source.kind: source for source in sources(environment)}
        self._faults: dict[Kind, CommandError] = {}
        self._credentials: dict[Kind, Credential] = {}
        for kind, source in self.by_kind.items():
            try:
                self._credentials[kind] = credential_of(source, environment)
            except CommandError as fault:
                self._faults[kind] = fault

    @property
    def used(self) -> Source | None:
        """The source whose credential is used, valid or not."""
        return next(iter(self.by_kind.values()), None)

    @property
    def credential(self) -> Credential | None:
        """The credential in use, unless it cannot be read."""
        return self._credentials.get(self.used.kind) if self.used else None

    @property
    def server_fault(self) -> ServerFault | None:
        """Why the credential in use cannot be sent to any server, or None."""
        fault = self._faults.get(self.used.kind) if self.used else None
        return fault if isinstance(fault, ServerFault) else None

    @property
    def unusable_code(self) -> Exit | None:
        """The exit code of a command when the credential in use cannot be read, or None."""
        fault = self._faults.get(self.used.kind) if self.used else None
        return fault.exit_code if fault and not self.server_fault else None

    def findings(self, server: str, *, may_try: bool) -> Findings:
        """Yield a finding about the credential in use, then one for each of the six sources.

        With `may_try`, also send each unused credential of `server` there; `server` must be a Reflow server.
        """
        yield self._check_choice(server)
        for number, kind in enumerate(_ABSENT, 1):
            yield self._check_source(f"place {number}", kind, server if may_try else "")
        login = "login starts" if self.context.may_ask else "there is no login: no terminal, or CI"
        yield ok("place 6", f"on a terminal, login: here {login}")
        yield from self._check_files()

    def _check_choice(self, server: str) -> Finding:
        if self.used is None:
            return self._no_credential(server)
        hidden = [str(source) for source in self.by_kind.values() if source is not self.used]
        hides = f"; it hides {', '.join(hidden)}" if hidden else ""
        if self.credential:
            detail = f"{self.used} is used: the first of the places that has one{hides}"
            return ok("credential", detail)
        detail = f"{self.used.where} ({self.used.kind}) comes first, but it cannot be used{hides}"
        if self.server_fault:
            return error("credential", f"{detail}; {self.server_fault.lines[0]}", self.server_fault.fix)
        return error("credential", detail, self._cause_and_fix(self.used)[1])

    def _no_credential(self, server: str) -> Finding:
        detail, fix = f"there is none for {server or 'any server'}", login_command(server)
        folder = self.context.home / HOME_KEY.parent if self.context.home else None
        if folder and os.path.lexists(folder) and not os.path.isdir(folder):  # noqa: PTH112 (may raise)
            detail += f"; {folder} is not a folder, so no login can be kept"
            fix = f"{shell('mv', folder, f'{folder}.old')} && {fix}"
        return error("credential", detail, fix)

    def _cause_and_fix(self, source: Source) -> tuple[str, str]:
        environment = self.context.environment
        is_allowed = environment.allows_http or not is_exposed(environment.server)
        server = environment.server if is_allowed else ""
        return unusable(source, self._faults[source.kind], server, is_only=len(self.by_kind) == 1)

    def _check_source(self, check: str, kind: Kind, server: str) -> Finding:
        """Check one source; if it is unused and belongs to `server`, try its credential there."""
        source, credential = self.by_kind.get(kind), self._credentials.get(kind)
        if source is None:
            return ok(check, self._why_absent(kind))
        if isinstance(self._faults.get(kind), ServerFault):
            return ok(check, f"{_content_of(source)}, which is not sent: {self._faults[kind].lines[0]}")
        if credential is None:
            report = error if source is self.used else warning
            return report(check, *self._cause_and_fix(source))
        if server and source is not self.used:
            if credential.server != server:
                return ok(check, f"{_content_of(source)} of {credential.server}, which is not tried")
            return self._try(check, credential)
        return ok(check, _content_of(source))

    def _try(self, check: str, unused: Credential) -> Finding:
        """Check whether the server accepts an unused credential."""
        source, content = unused.source, _content_of(unused.source)
        if self.credential and self.credential.secret == unused.secret:
            return ok(check, f"{source.where} ({source.kind}) holds the same key as the one used")
        try:
            ApiClient(unused.server, unused).ask_object("GET", "/me")
        except CommandError as fault:
            status = fault.status if isinstance(fault, ApiError) else None
            if status == 401:
                return warning(check, cause_of(fault, source), hidden_refused(source, unused.server))
            if status == 403:  # as the used key, a valid one is refused without a subscription
                return ok(check, f"{content}; the server knows it, but no subscription is active")
            detail = f"{content}, which could not be tried: {fault.lines[0]}"
            return warning(check, detail, "reflow doctor")
        return ok(check, f"{content}; it is accepted")

    def _why_absent(self, kind: Kind) -> str:
        root = git.root_of(self.context.folder)
        if self.context.place and PLACES[self.context.place] is not kind:
            return f"--as {self.context.place} leaves it out"
        if kind is Kind.VARIABLE and VARIABLE in self.context.environ:
            return f"{VARIABLE} is empty, which counts as not set"
        if kind is Kind.REPOSITORY and root:
            return f"{root / KEY_FILE_NAME} is absent"
        if kind is Kind.HOME and self.context.home:
            return f"{self.context.home / HOME_KEY} is absent"
        server = self.context.environment.server
        return _ABSENT[kind] + (f" at {server}" if kind is Kind.LOGIN and server else "")

    def _check_files(self) -> Findings:
        home = self.context.home
        files = [source.path for source in self.by_kind.values() if source.path]
        if home:
            files += [home / SESSIONS]
        for file in dict.fromkeys(files):
            if os.path.isfile(file):  # noqa: PTH113 (Path.is_file may raise)
                yield check_mode(file, 0o600)
        folder = home / HOME_KEY.parent if home else None
        if folder and os.path.isdir(folder):  # noqa: PTH112 (Path.is_dir may raise)
            yield check_mode(folder, 0o700)
        yield from _find_left_over_files(git.root_of(self.context.folder))
        yield from _find_left_over_files(folder)


def _content_of(source: Source) -> str:
    content = "a login" if source.kind is Kind.LOGIN else "a whole key"
    return f"{source.where} ({source.kind}) holds {content}"


def _find_left_over_files(folder: Path | None) -> Findings:
    """Yield the temporary files that a killed command left in `folder`."""
    for name in (KEY_FILE_NAME, HOME_KEY.name, SESSIONS.name):
        for file in sorted(folder.glob(f".{name}.????????")) if folder else ():
            detail = f"{file} was left behind by a command that was ended, and may hold a key"
            yield warning("left over", detail, shell("rm", file))
