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
    server = found = None
    try:
        environment, sources = context.environment, context.sources()
        if sources and not environment.server:
            server = credential_of(sources[0], environment).server
        elif environment.server or environment.only_login():
            server = context.login_server
        found = server_version(server) if server else None
    except CommandError as fault:
        tell(*fault.lines)
    if context.as_json:
        document({"version": __version__, "server": server, "server_version": found})
    elif found:
        result(f"server {found} ({server})")


def server_version(server: str) -> str:
    """Request the version of the server, without a credential. Raises CommandError, also after TIMEOUT."""
    answers: list[str | CommandError] = []
    # A name lookup has no timeout, so it runs in a thread, which ends with the process.
    thread = Thread(target=_request_version, args=(server, answers), daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    answer = answers[0] if answers else Unreachable(f"{server} gave no answer within {TIMEOUT} seconds.")
    if isinstance(answer, CommandError):
        raise answer
    return answer


def _request_version(server: str, answers: list[str | CommandError]) -> None:
    try:
        headers = {"Accept": "application/json", "User-Agent": user_agent(os.environ)}
        answers.append(_parse_version(exchange(f"{server}/healthz", "GET", headers, None).content))
    except CommandError as fault:
        answers.append(fault)
    except Exception:  # a thread would print a traceback
        answers.append(Unreachable(f"{server} did not report its version."))


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
    """Return the commands and options that can follow the words before `incomplete`."""
    try:
        found = _context_of(ctx, ctx.params.get("words") or ())
    except click.UsageError:
        return []
    return found.command.shell_complete(found, incomplete) if isinstance(found.command, click.Group) else []


def _context_of(ctx: click.Context, words: tuple[str, ...]) -> click.Context:
    """Return a context of the command that `words` name. Raises click.UsageError."""
    found = ctx.find_root()
    for word in words:
        group = found.command
        command = group.resolve_command(found, [word])[1] if isinstance(group, click.Group) else None
        if command is None:
            raise click.UsageError(f"{found.command_path} has no commands.", found)
        found = click.Context(command, info_name=word, parent=found, terminal_width=found.terminal_width)
    return found


@click.command("help")
@click.argument("words", metavar="[COMMAND]...", nargs=-1, shell_complete=_complete_command)
@common_options
@click.pass_context
def help_command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command."""
    result(_context_of(ctx, words).get_help())
