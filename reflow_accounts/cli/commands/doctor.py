"""`reflow doctor`: checks everything that a command depends on, and shows how to fix problems."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from reflow_accounts.cli import git
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.doctor.account import AccountChecks
from reflow_accounts.cli.doctor.connection import ConnectionChecks
from reflow_accounts.cli.doctor.findings import Finding, State, error, ok
from reflow_accounts.cli.doctor.repository import repository_findings
from reflow_accounts.cli.doctor.sources import SourceChecks
from reflow_accounts.cli.errors import CommandError
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.http.server_address import is_exposed
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document, is_terminal, result
from reflow_accounts.contract import Exit


@click.command()
@common_options
@pass_context
def doctor(context: Context) -> None:
    """Check the setup and show how to fix problems.

    Checks the server, the clock, the credentials found, their files, git and its last 100 commits, the
    key's expiry and the subscription. One line for each finding: state (ok, warning, error), what was
    checked, what was found, and the command that fixes it. Asks no questions and changes nothing, but sends
    each key found to the server, also an unused one, and each attempt counts as a use of that key.

    Exit codes: 0 when all is well, 7 when the server cannot be reached, 4 when there is no credential or it
    is refused or cannot be used, and otherwise 1.
    """
    examination = Examination(context)
    findings = []
    for finding in examination.findings():
        findings.append(finding)
        if not context.as_json:
            state, check, detail, mend = map(finding.shown.get, ("state", "check", "detail", "mend"))
            if is_terminal(sys.stdout):
                result(f"{state:8} {check:12} {detail}{f'. Fix it: {mend}' if mend else ''}")
            else:
                result(f"{state}\t{check}\t{detail}\t{mend}")
    is_well = all(finding.state is State.OK for finding in findings)
    if context.as_json:
        document({"ok": is_well, "findings": [finding.shown for finding in findings]})
    if not is_well:
        raise click.exceptions.Exit(examination.exit_code)


class Examination:
    """Runs all checks. `exit_code` is the code for the worst finding, if there is a problem."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.exit_code = Exit.FAILED

    def findings(self) -> Iterator[Finding]:
        """Yield the findings of all checks; those that need the server only when Reflow answers."""
        yield self._check_address()
        connection = ConnectionChecks(self.context.server)
        if self.context.server:
            yield from connection.findings()
        checks = SourceChecks(self.context)
        # Unused credentials are not needed, so they are not sent over an unencrypted connection.
        may_try = connection.is_open and not is_exposed(self.context.server)
        yield from checks.findings(may_try=may_try)
        account = AccountChecks(Client(self.context.server, checks.credential))
        if connection.is_open and checks.credential:
            yield from account.findings()
        if not connection.is_open:
            self.exit_code = Exit.UNREACHABLE
        elif checks.credential is None or account.is_refused:
            self.exit_code = Exit.NOT_SIGNED_IN
        yield from repository_findings(git.root_of(self.context.folder), account.keys)

    def _check_address(self) -> Finding:
        try:
            return ok("server", f"{self.context.server}, from {self.context.server_source}")
        except CommandError as fault:
            vars(self.context)["server"] = ""  # no requests; the other checks go on
            mend = fault.lines[1].strip() if len(fault.lines) > 1 else "reflow --server URL doctor"
            return error("server", fault.lines[0], mend)
