"""`reflow version`: the version of the command, and that of the server if it answers quickly."""

from __future__ import annotations

import json
import os
import re
from threading import Thread

import click

from reflow_accounts import __version__
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import credential_of
from reflow_accounts.cli.errors import CommandError, Unreachable
from reflow_accounts.cli.http.transport import exchange
from reflow_accounts.cli.http.user_agent import user_agent
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document, result, tell

TIMEOUT = 2  # seconds, including the name lookup
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!-]{0,39}")


@click.command()
@common_options
@pass_context
def version(context: Context) -> None:
    """Show the versions of the command and of the server.

    The server is asked without a credential, for two seconds at most; --version asks nobody.
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
    """Return the version of the server, which is asked without a credential.

    Raises Unreachable when it does not answer within TIMEOUT.
    """
    answers: list[str | CommandError] = []
    # A thread, because nothing else limits the time of a name lookup. It ends with the process.
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
        answers.append(Unreachable(f"{server} did not tell its version."))


def _parse_version(content: bytes) -> str:
    try:
        version = json.loads(content)["version"]
    except (ValueError, RecursionError, LookupError, TypeError):
        version = None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise Unreachable(
            "The server did not tell its version: it is older, or it is not Reflow that answers."
        )
    return version
