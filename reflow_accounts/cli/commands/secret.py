"""`reflow token` and `reflow exec`: hand the credential that was found to other programs."""

from __future__ import annotations

import os
import sys

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import VARIABLE
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document, result, say

# As shells report a command that is not there, and one that cannot be started.
NOT_FOUND, NOT_EXECUTABLE = 127, 126


@click.command()
@common_options
@pass_context
def token(context: Context) -> None:
    """Print the secret of the credential that is used.

    Only the secret goes to stdout. No request is made, so the server may refuse it.
    """
    credential = context.credential()
    if context.as_json:
        document({"token": credential.secret, "server": credential.server, "source": str(credential.source)})
    else:
        result(credential.secret)


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@common_options
@pass_context
def exec_command(context: Context, command: tuple[str, ...]) -> None:
    """Run a command with the credential in REFLOW_API_KEY and its server in REFLOW_SERVER.

    The command takes the place of reflow: signals reach it, and its exit code is the exit code; 127 when it
    is not found, 126 when it cannot be started.
    """
    credential = context.credential()
    environ = {**context.environ, VARIABLE: credential.secret, "REFLOW_SERVER": credential.server}
    if context.environment.allows_http:
        environ["REFLOW_INSECURE"] = "1"
    for stream in (sys.stdout, sys.stderr):
        if stream:
            stream.flush()
    try:
        os.execvpe(command[0], command, environ)  # noqa: S606 (the user's own command; no shell reads it)
    except (OSError, ValueError) as error:
        say(f"reflow: {command[0]} could not be started ({getattr(error, 'strerror', None) or 'bad name'}).")
        is_absent = isinstance(error, (FileNotFoundError, NotADirectoryError, ValueError))
        raise click.exceptions.Exit(NOT_FOUND if is_absent else NOT_EXECUTABLE) from None
