"""`reflow --version`: the command's own version, and the server's when it answers at once."""

from __future__ import annotations

import json
import os
import re
from threading import Thread

from reflow_accounts import __version__
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import CommandError, Unreachable
from reflow_accounts.cli.http.transport import exchange
from reflow_accounts.cli.http.user_agent import user_agent
from reflow_accounts.cli.output import document, result

PATIENCE = 2  # seconds, for finding the machine's address too
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!-]{0,39}")


def show_versions(context: Context) -> None:
    """Print both versions; with --json as one document, where null is what the server did not tell."""
    if not context.as_json:
        result(f"reflow {__version__}")
    server = version = None
    try:
        server = context.server
        version = server_version(server)
    except CommandError as fault:
        context.tell(*fault.lines)
    if context.as_json:
        document({"version": __version__, "server": server, "server_version": version})
    elif version:
        result(f"server {version} ({server})")


def server_version(server: str) -> str:
    """Return the version of the server at this address. It is asked without a credential.

    Raises Unreachable when it does not tell within two seconds.
    """
    answers: list[str | CommandError] = []
    # Another thread, because nothing else ends a search for a name early. It dies with the process.
    asking = Thread(target=_ask, args=(server, answers), daemon=True)
    asking.start()
    asking.join(PATIENCE)
    answer = answers[0] if answers else Unreachable(f"{server} gave no answer within {PATIENCE} seconds.")
    if isinstance(answer, CommandError):
        raise answer
    return answer


def _ask(server: str, answers: list[str | CommandError]) -> None:
    try:
        headers = {"Accept": "application/json", "User-Agent": user_agent(os.environ)}
        answers.append(_version_in(exchange(f"{server}/healthz", "GET", headers, None).content))
    except CommandError as fault:
        answers.append(fault)
    except Exception:  # a thread would print a traceback
        answers.append(Unreachable(f"{server} did not tell its version."))


def _version_in(content: bytes) -> str:
    try:
        version = json.loads(content)["version"]
    except (ValueError, RecursionError, LookupError, TypeError):
        version = None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise Unreachable(
            "The server did not tell its version: it is older, or it is not Reflow that answers."
        )
    return version
