"""The `reflow` group: its commands, its help, and how a run goes."""

from __future__ import annotations

import contextlib
import os
import sys

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.lazy import LazyGroup
from reflow_accounts.cli.options import common_options
from reflow_accounts.cli.output import width

COMMANDS = {
    "login": ("sessions", "Log in through your browser, or with a password."),
    "logout": ("sessions", "Log out of the server and forget the login."),
    "whoami": ("whoami", "Show who you are and which credential is used."),
    "keys": ("keys", "List, create, rotate and revoke API keys."),
    "team": ("team", "Show teams, invite people, manage service accounts."),
    "activity": ("activity", "Show what was done with your account and keys."),
    "doctor": ("doctor", "Look for what is wrong, and say how to mend it."),
    "api": ("api", "Send one request to the API and print its answer."),
    "completion": ("completion", "Print the script that completes commands in your shell."),
}

EPILOG = """\b
Which credential is used (the first one found; if it is refused, the run ends):
  1. the API key in the file after -k
  2. the API key in the variable REFLOW_API_KEY
  3. the file reflow.key at the root of the git repository you are in
  4. the file ~/.reflow/api.key
  5. the login of reflow login
  6. on a terminal, reflow asks you to log in

Keep keys out of git: add reflow.key to .gitignore.

\b
Exit codes: 0 done, 1 failed, 2 usage, 4 not signed in or key refused,
  5 not allowed, 6 not found, 7 server unreachable, 130 interrupted (Ctrl-C)."""


def _tell_versions(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if not is_wanted or context.resilient_parsing:
        return
    from reflow_accounts.cli.version import show_versions

    show_versions(context.ensure_object(Context))
    context.exit()


@click.group("reflow", cls=LazyGroup, lazy=COMMANDS, epilog=EPILOG)
@common_options
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    callback=_tell_versions,
    help="Show the versions of the command and of the server.",
)
def reflow() -> None:
    """Work with Reflow accounts and API keys."""


def run(arguments: list[str]) -> int:
    """Run the command with `arguments` (without its name) and return its exit code. Raises nothing."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        if os.environ.get("_REFLOW_COMPLETE"):  # somebody presses Tab
            from reflow_accounts.cli.completing import complete

            return complete(reflow, os.environ["_REFLOW_COMPLETE"])
        # Not `reflow.main`: it would end the process by itself when a pipe breaks.
        with reflow.make_context("reflow", arguments, terminal_width=width()) as context:
            reflow.invoke(context)
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except (Exception, KeyboardInterrupt) as error:  # the last resort: never a traceback
        from reflow_accounts.cli.endings import exit_code_after

        return exit_code_after(error)
    return 0
