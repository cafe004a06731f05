"""`reflow doctor`: looks at everything that a run depends on, and says how to mend what is not well."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from reflow_accounts.cli import git
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.doctor.account import Account
from reflow_accounts.cli.doctor.connection import Line
from reflow_accounts.cli.doctor.findings import Finding, State, error, ok
from reflow_accounts.cli.doctor.repository import repository_findings
from reflow_accounts.cli.doctor.sources import Search
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
    """Look for what is wrong, and say how to mend it.

    Looks at the server, the clock, the credentials found, their files, git and its last 100 commits, the
    key's end and the subscription. One line for each finding: state (ok, warning, error), what was looked
    at, what was found, and the command that mends it. Asks nothing and changes nothing; but each key found
    is tried at the server, also one that is hidden by another, and each try counts as a use of that key.

    Ends with 0 when all is well, 7 when the server cannot be reached, 4 when there is no credential or it
    is refused or cannot be used, and else 1.
    """
    visit = Visit(context)
    findings = []
    for finding in visit.findings():
        findings.append(finding)
        if not context.as_json:
            _show(finding)
    is_well = all(finding.state is State.OK for finding in findings)
    if context.as_json:
        document({"ok": is_well, "findings": [finding.shown for finding in findings]})
    if not is_well:
        raise click.exceptions.Exit(visit.exit_code)


class Visit:
    """One examination. `exit_code` says what was worst, when not all was well."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.exit_code = Exit.FAILED

    def findings(self) -> Iterator[Finding]:
        """Look at one thing after the other; without the network, at all the rest."""
        yield self._address()
        line = Line(self.context.server)
        if self.context.server:
            yield from line.findings()
        search = Search(self.context)
        # What is hidden is not needed now, so it is not sent where others could read it.
        yield from search.findings(may_try=line.is_open and not is_exposed(self.context.server))
        account = Account(Client(self.context.server, search.credential))
        if line.is_open and search.credential:
            yield from account.findings()
        if not line.is_open:
            self.exit_code = Exit.UNREACHABLE
        elif search.credential is None or account.is_refused:
            self.exit_code = Exit.NOT_SIGNED_IN
        yield from repository_findings(git.root_of(self.context.folder), account.keys)

    def _address(self) -> Finding:
        try:
            return ok("server", f"{self.context.server}, from {self.context.server_source}")
        except CommandError as fault:
            vars(self.context)["server"] = ""  # nobody is asked; the rest is looked at
            mend = fault.lines[1].strip() if len(fault.lines) > 1 else "reflow --server URL doctor"
            return error("server", fault.lines[0], mend)


def _show(finding: Finding) -> None:
    state, check, detail, mend = (finding.shown[name] for name in ("state", "check", "detail", "mend"))
    if is_terminal(sys.stdout):
        result(f"{state:8} {check:12} {detail}{f'. Mend it: {mend}' if mend else ''}")
    else:
        result("\t".join((state, check, detail, mend)))
