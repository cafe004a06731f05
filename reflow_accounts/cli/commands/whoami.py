"""`reflow whoami`: the user, the teams, and the credential in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from reflow_accounts.cli.context import Context
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

    Also names the credentials that were found but not used because another one comes first.
    """
    client = context.client()
    me = client.ask_object("GET", "/me")
    if not isinstance(me.get("user"), dict):
        raise Unreachable(f"{context.server} answered with something that Reflow does not write.")
    if context.as_json:
        document(me)
        return
    unused = [("Not used", str(source)) for source in context.sources()[1:]]
    facts([*_facts_of(me, client), *unused])


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
