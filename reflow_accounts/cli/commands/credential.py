"""`reflow whoami`, `authorize`, `token` and `exec`: show the credential, or pass it to another program."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from reflow_accounts.cli import interrupts
from reflow_accounts.cli.commands.team_lookup import RIGHTS, team_option, team_path
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import VARIABLE, Source
from reflow_accounts.cli.errors import Unreachable
from reflow_accounts.cli.http.client import ApiClient, as_object, objects_in
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document, facts, result, say
from reflow_accounts.cli.text import clean

_LABELS = {
    "X-Reflow-User": "User",
    "X-Reflow-Team": "Team",
    "X-Reflow-Rights": "Rights",
    "X-Reflow-Key": "Key",
}
# The exit codes of shells for a command that is not found and one that cannot be started.
NOT_FOUND, NOT_EXECUTABLE = 127, 126


@click.command()
@common_options
@pass_context
def whoami(context: Context) -> None:
    """Show who you are and which credential is used.

    Also shows the credentials that were found but are not used, because another one comes first. --json
    prints the answer of the API and adds server, winner and losers.
    """
    client = context.client()
    me = client.ask_object("GET", "/me")
    if not isinstance(me.get("user"), dict):
        raise Unreachable(f"{client.server} gave an answer that is not Reflow's.")
    winner, *losers = context.sources()
    if context.as_json:
        used_sources = {
            "winner": _source_as_dict(winner),
            "losers": [_source_as_dict(source) for source in losers],
        }
        document(me | {"server": client.server} | used_sources)
        return
    facts([*_facts_of(me, client), *(("Not used", str(source)) for source in losers)])


def _source_as_dict(source: Source) -> dict[str, str]:
    return {"kind": source.kind.name.lower(), "where": source.where, "text": str(source)}


def _facts_of(me: dict[str, Any], client: ApiClient) -> Iterator[tuple[str, str]]:
    user, by = me["user"], as_object(me.get("authenticated_by"))
    yield "Name", clean(user.get("name"))
    yield ("Email", clean(user["email"])) if user.get("email") else ("Kind", "service account")
    for team in objects_in(me.get("teams")):
        texts = (team.get("name"), team.get("rights"), f"subscription {team.get('subscription')}")
        yield "Team", ", ".join(map(clean, texts))
    yield "Credential", str(client.credential.source) if client.credential else ""
    if by.get("type") == "key":
        yield "Key name", clean(by.get("name"))
        yield "Key ends in", clean(by.get("hint"))
    yield "Server", client.server


@click.command()
@click.option(
    "--rights", type=click.Choice(RIGHTS), default="view", show_default=True, help="The rights to check."
)
@team_option
@common_options
@pass_context
def authorize(context: Context, rights: str, team: str | None) -> None:
    """Check your rights to a team, as a proxy would.

    Prints the ids of the user, the team and the key, and your rights. Exits with 5 without the rights.
    """
    client = context.client()
    team_id = team_path(client, team).rpartition("/")[2]
    reply = client.send("GET", "/authorize", [("team", team_id), ("rights", rights)])
    client.read(reply)
    rows = [(label, clean(reply.headers.get(name))) for name, label in _LABELS.items()]
    if context.as_json:
        document({label.lower(): value for label, value in rows})
    else:
        facts(rows)


@click.command()
@common_options
@pass_context
def token(context: Context) -> None:
    """Print the secret of the credential in use.

    Only the secret goes to stdout. Sends no request, so the secret may already be invalid.
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
    """Run a command with REFLOW_API_KEY and REFLOW_SERVER set.

    The command replaces reflow, so it receives signals and sets the exit code. The exit code is 127 when the
    command is not found, 126 when it cannot be started.
    """
    credential = context.credential()
    environ = {**context.environ, VARIABLE: credential.secret, "REFLOW_SERVER": credential.server}
    if context.environment.allows_http:
        environ["REFLOW_INSECURE"] = "1"
    for stream in (sys.stdout, sys.stderr):
        if stream:
            stream.flush()
    try:
        code = run_program(command, environ)
    except (OSError, ValueError) as error:
        interrupts.ignore_closed_pipes()
        say(f"reflow: {command[0]} could not be started ({getattr(error, 'strerror', None) or 'bad name'}).")
        is_absent = isinstance(error, (FileNotFoundError, NotADirectoryError, ValueError))
        code = NOT_FOUND if is_absent else NOT_EXECUTABLE
    raise click.exceptions.Exit(code)


def run_program(command: tuple[str, ...], environ: dict[str, str], system: str = os.name) -> int:
    """Replace this process by `command`; on Windows, run it and return its exit code.

    Windows would start another process and end this one with 0 at once. Raises OSError and ValueError.
    """
    if system != "nt":
        interrupts.restore_defaults()
        os.execvpe(command[0], command, environ)  # noqa: S606 (the user's own command; no shell reads it)
    import subprocess

    with subprocess.Popen(command, env=environ) as process:  # noqa: S603 (as above)
        interrupts.ignore_signals()  # Ctrl-C is for the command
        return process.wait()
