"""`reflow version`, `help` and `completion`."""

from __future__ import annotations

import json
import os
import re
from threading import Thread
from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from reflow_accounts import __version__
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import credential_of
from reflow_accounts.cli.errors import CommandError, Unreachable
from reflow_accounts.cli.http.transport import exchange
from reflow_accounts.cli.http.user_agent import user_agent
from reflow_accounts.cli.options import COMMAND_NAME, COMPLETION_VARIABLE, common_options, pass_context
from reflow_accounts.cli.output import document, result, tell

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

TIMEOUT = 2  # seconds, including the name lookup
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!-]{0,39}")

SHELLS = ("bash", "zsh", "fish")


@click.command()
@common_options
@pass_context
def version(context: Context) -> None:
    """Show the versions of the command and of the server.

    The request has no credential and takes at most two seconds. --version sends none.
    """
    if not context.as_json:
        result(f"reflow {__version__}")
    server = running_version = None
    try:
        environment, sources = context.environment, context.sources()
        if sources and not environment.server:
            server = credential_of(sources[0], environment).server
        elif environment.server or environment.only_login():
            server = context.login_server
        running_version = server_version(server) if server else None
    except CommandError as fault:
        tell(*fault.lines)
    if context.as_json:
        document({"version": __version__, "server": server, "server_version": running_version})
    elif running_version:
        result(f"server {running_version} ({server})")


def server_version(server: str) -> str:
    """Request the version of the server, without a credential. Raises CommandError, also after TIMEOUT."""
    outcomes: list[str | CommandError] = []
    # A name lookup has no timeout, so it runs in a thread, which ends with the process.
    thread = Thread(target=_request_version, args=(server, outcomes), daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    outcome = outcomes[0] if outcomes else Unreachable(f"{server} gave no answer within {TIMEOUT} seconds.")
    if isinstance(outcome, CommandError):
        raise outcome
    return outcome


def _request_version(server: str, outcomes: list[str | CommandError]) -> None:
    try:
        headers = {"Accept": "application/json", "User-Agent": user_agent(os.environ)}
        outcomes.append(_parse_version(exchange(f"{server}/healthz", "GET", headers, None).content))
    except CommandError as fault:
        outcomes.append(fault)
    except Exception:  # a thread would print a traceback
        outcomes.append(Unreachable(f"{server} did not report its version."))


def _parse_version(content: bytes) -> str:
    try:
        version = json.loads(content)["version"]
    except (ValueError, RecursionError, LookupError, TypeError):
        version = None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise Unreachable("The server did not report its version: it is older, or it is not a Reflow server.")
    return version


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@common_options
def completion(shell: str) -> None:
    """Print the completion script for your shell.

    It works in new shells after one of these:

    \b
      bash  echo 'eval "$(reflow completion bash)"' >> ~/.bashrc
      zsh   echo 'eval "$(reflow completion zsh)"' >> ~/.zshrc
            (below the line with compinit)
      fish  reflow completion fish > ~/.config/fish/completions/reflow.fish

    bash needs version 4.4 or newer. Completion works without the server and asks no questions.
    """
    kind = get_completion_class(shell)
    assert kind
    script = kind(click.Group(COMMAND_NAME), {}, COMMAND_NAME, COMPLETION_VARIABLE)
    # Not `source()`: for bash, it would start a shell to check its version.
    text = script.source_template % script.source_vars()
    # For fish, click cuts descriptions and file names at their first comma.
    result(text.replace('string split ","', 'string split --max 1 ","').rstrip("\n"))


def _complete_command(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Return the commands and options that can follow the names before `incomplete`."""
    try:
        context = _context_for(ctx, ctx.params.get("names") or ())
    except click.UsageError:
        return []
    return (
        context.command.shell_complete(context, incomplete)
        if isinstance(context.command, click.Group)
        else []
    )


def _context_for(ctx: click.Context, names: tuple[str, ...]) -> click.Context:
    """Return a context of the command that `names` lead to. Raises click.UsageError."""
    context = ctx.find_root()
    for name in names:
        group = context.command
        command = group.resolve_command(context, [name])[1] if isinstance(group, click.Group) else None
        if command is None:
            raise click.UsageError(f"{context.command_path} has no commands.", context)
        context = click.Context(
            command, info_name=name, parent=context, terminal_width=context.terminal_width
        )
    return context


@click.command("help")
@click.argument("names", metavar="[COMMAND]...", nargs=-1, shell_complete=_complete_command)
@common_options
@click.pass_context
def help_command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Show the help of a command."""
    result(_context_for(ctx, names).get_help())
