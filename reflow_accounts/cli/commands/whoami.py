"""`reflow whoami`: the user, the teams, and the credential in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import Source
from reflow_accounts.cli.errors import Unreachable
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.http.json_values import as_object, objects_in
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document, facts
from reflow_accounts.cli.text import clean


@click.command()
@common_options
@pass_context
def whoami(context: Context) -> None:
    """Show who you are and which credential is used.

    Also names the credentials that were found but not used because another one comes first. --json prints
    the answer of the API with server, winner and losers added.
    """
    client = context.client()
    me = client.ask_object("GET", "/me")
    if not isinstance(me.get("user"), dict):
        raise Unreachable(f"{client.server} gave an answer that is not Reflow's.")
    winner, *losers = context.sources()
    if context.as_json:
        found = {"winner": _described(winner), "losers": [_described(source) for source in losers]}
        document(me | {"server": client.server} | found)
        return
    facts([*_facts_of(me, client), *(("Not used", str(source)) for source in losers)])


def _described(source: Source) -> dict[str, str]:
    return {"kind": source.kind.name.lower(), "where": source.where, "text": str(source)}


def _facts_of(me: dict[str, Any], client: Client) -> Iterator[tuple[str, str]]:
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
