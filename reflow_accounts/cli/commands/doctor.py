"""`reflow doctor`: checks everything that a command depends on, and shows how to fix problems."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from reflow_accounts.cli import git
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.doctor.account import AccountChecks
from reflow_accounts.cli.doctor.connection import ConnectionChecks
from reflow_accounts.cli.doctor.findings import Finding, Severity, error, ok
from reflow_accounts.cli.doctor.repository import repository_findings
from reflow_accounts.cli.doctor.sources import SourceChecks
from reflow_accounts.cli.errors import CommandError, ServerFault, UsageFault
from reflow_accounts.cli.http.client import ApiClient
from reflow_accounts.cli.http.server_address import check_encryption, is_exposed
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document, is_terminal, result
from reflow_accounts.contract import Exit


@click.command()
@common_options
@pass_context
def doctor(context: Context) -> None:
    """Check the setup and show how to fix problems.

    Checks the server, the clock, the credentials found, their files, git and its last 100 commits, the
    key's expiry and the subscription. One line for each finding: state (ok, warning, error), check, result,
    and the command that fixes the problem. Asks no questions and changes nothing, but sends each key of this
    server that it finds, also unused ones, and each attempt counts as a use of that key.

    Exit codes: 0 when all is well, 2 when the file after -k cannot be read or there is no usable server, 4
    when there is no credential or it is refused or cannot be used, 7 when the server cannot be reached or
    takes no requests now, and otherwise 1.
    """
    examination = Examination(context)
    findings = []
    for finding in examination.findings():
        findings.append(finding)
        if not context.as_json:
            state, check, detail, fix = map(finding.as_dict.get, ("state", "check", "detail", "fix"))
            if is_terminal(sys.stdout):
                result(f"{state:8} {check:12} {detail}{f'. Fix it: {fix}' if fix else ''}")
            else:
                result(f"{state}\t{check}\t{detail}\t{fix}")
    is_well = all(finding.state is Severity.OK for finding in findings)
    if context.as_json:
        document({"ok": is_well, "findings": [finding.as_dict for finding in findings]})
    if not is_well:
        raise click.exceptions.Exit(examination.exit_code)


class Examination:
    """Runs all checks. `exit_code` is the exit code to use if there is a problem."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.exit_code = Exit.FAILED

    def findings(self) -> Iterator[Finding]:
        """Yield the findings of all checks; skip those that need the server if Reflow does not answer."""
        address_fault = self._invalid_address()
        checks = SourceChecks(self.context)
        server, finding = ("", address_fault) if address_fault else _server_to_check(checks)
        yield finding
        connection = ConnectionChecks(server)
        if server:
            yield from connection.findings()
        # Unused credentials are never sent over an unencrypted connection.
        yield from checks.findings(server, may_try=connection.is_open and not is_exposed(server))
        account = AccountChecks(ApiClient(server, checks.credential), self.context.given_options)
        if connection.is_open and checks.credential:
            yield from account.findings()
        if checks.unusable_code is Exit.USAGE:
            self.exit_code = Exit.USAGE
        elif server and not connection.is_open:
            self.exit_code = Exit.UNREACHABLE
        elif not checks.by_kind or checks.unusable_code:
            self.exit_code = Exit.NOT_SIGNED_IN
        else:
            self.exit_code = account.exit_code if server else Exit.USAGE
        yield from repository_findings(git.root_of(self.context.folder), account.keys)

    def _invalid_address(self) -> Finding | None:
        """Return the finding about an invalid address, and remove the address for the other checks."""
        try:
            self.context.named_server  # noqa: B018 (raises)
        except UsageFault as fault:
            vars(self.context)["named_server"] = ("", "")
            return error("server", fault.lines[0], ServerFault.fix)
        return None


def _server_to_check(checks: SourceChecks) -> tuple[str, Finding]:
    """Return the server of the credential in use, or the named one, and the finding; "" for no usable server."""
    environment = checks.context.environment
    try:
        if checks.server_fault:
            raise checks.server_fault
        server = checks.credential.server if checks.credential else environment.server
        source = environment.server_source if environment.server else "the only login"
        if (
            checks.used
            and checks.credential
            and not environment.server
            and server != environment.only_login()
        ):
            source = checks.used.where
        server = server or environment.only_login()
        if not server:
            return "", error("server", "no server is named", ServerFault.fix)
        check_encryption(server, allowed=environment.allows_http)
    except ServerFault as fault:
        return "", error("server", fault.lines[0], fault.fix)
    except CommandError as fault:  # the file of the logins is damaged
        return "", error("server", fault.lines[0], fault.lines[-1].strip())
    return server, ok("server", f"{server}, from {source}")
