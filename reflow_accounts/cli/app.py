"""The `reflow` command group: commands, help, and the exit code of a run."""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

from reflow_accounts import __version__
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.options import COMMAND_NAME, COMPLETION_VARIABLE, Group, common_options
from reflow_accounts.cli.output import document, help_width, result

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Name: module in `commands/` and help line. The help of the group imports no command.
COMMANDS = {
    "login": ("sessions", "Log in through your browser, or with a password."),
    "logout": ("sessions", "Log out of the server and forget the login."),
    "whoami": ("credential", "Show who you are and which credential is used."),
    "keys": ("keys", "List, create, rotate, revoke and restore API keys."),
    "team": ("team", "Show teams, invite people, manage service accounts."),
    "activity": ("activity", "Show the activity of your account and keys."),
    "doctor": ("doctor", "Check the setup and show how to fix problems."),
    "token": ("credential", "Print the secret of the credential in use."),
    "exec": ("credential", "Run a command with REFLOW_API_KEY and REFLOW_SERVER set."),
    "support": ("support", "Find teams and set subscriptions (support staff only)."),
    "authorize": ("credential", "Check your rights to a team, as a proxy would."),
    "api": ("api", "Send one request to the API and print the answer."),
    "help": ("version", "Show the help of a command."),
    "version": ("version", "Show the versions of the command and of the server."),
    "completion": ("version", "Print the completion script for your shell."),
}

EPILOG = """\b
Which credential is used (the first one found; if refused, the command fails):
  1. -k FILE
  2. REFLOW_API_KEY (an API key, or the text of a key file)
  3. reflow.key at the root of the git repository you are in
  4. ~/.reflow/api.key
  5. the session of reflow login
  6. on a terminal, reflow asks you to log in

\b
Which server is used: the one in the line # server: https://HOST of the key
  file, else --server, REFLOW_SERVER, or the only server you are logged in to.
  There is no default server.

Keep keys out of git: add reflow.key to .gitignore.

\b
Exit codes: 0 done, 1 failed, 2 usage, 4 not signed in or key refused,
  5 not allowed, 6 not found, 7 not now, try later, 130 interrupted (Ctrl-C),
  143 and 129 ended by SIGTERM and SIGHUP."""


class LazyGroup(Group):
    """Imports the module of a command only when the command is used, to start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"reflow_accounts.cli.commands.{COMMANDS[cmd_name][0]}")
        # exec and help are builtins: their functions are exec_command and help_command.
        command: click.Command = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_command")
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Return the commands and options that start with `incomplete`, without importing a command."""
        from click.shell_completion import CompletionItem

        commands = [
            CompletionItem(name, help=line)
            for name, (_, line) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        # click.Group would import every command; click.Command adds only the options.
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _show_version(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
    if not is_given or ctx.resilient_parsing:
        return
    if ctx.ensure_object(Context).as_json:
        document({"version": __version__})
    else:
        result(f"reflow {__version__}")
    ctx.exit()


@click.group(
    COMMAND_NAME, cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@common_options
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version of the command.",
)
def reflow() -> None:
    """Work with Reflow accounts and API keys."""


def run(arguments: list[str]) -> int:
    """Run the command with `arguments` (without its name) and return its exit code. Raises nothing."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        if instruction := os.environ.get(COMPLETION_VARIABLE):
            return complete(instruction)
        # Not `reflow.main`: it would exit the process when a pipe breaks.
        with reflow.make_context(COMMAND_NAME, arguments, terminal_width=help_width()) as ctx:
            reflow.invoke(ctx)
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except (Exception, KeyboardInterrupt) as error:  # last resort: never a traceback
        from reflow_accounts.cli.errors import exit_code_after

        return exit_code_after(error)
    return 0


def complete(instruction: str) -> int:
    """Write the possible completions to stdout and return the exit code. Uses no network."""
    from click.shell_completion import shell_complete

    try:
        return shell_complete(reflow, {}, COMMAND_NAME, COMPLETION_VARIABLE, instruction)
    except (LookupError, ValueError):  # the instruction is not from the completion script
        return 1
