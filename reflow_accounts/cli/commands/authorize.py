"""`reflow authorize`: the question that proxies ask for other services."""

from __future__ import annotations

import click

from reflow_accounts.cli.commands.team_lookup import team_option, team_path
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document, facts
from reflow_accounts.cli.text import clean

RIGHTS = ("view", "edit", "admin")
_LABELS = {
    "X-Reflow-User": "User",
    "X-Reflow-Team": "Team",
    "X-Reflow-Rights": "Rights",
    "X-Reflow-Key": "Key",
}


@click.command()
@click.option(
    "--rights", type=click.Choice(RIGHTS), default="view", show_default=True, help="What is needed."
)
@team_option
@common_options
@pass_context
def authorize(context: Context, rights: str, team: str | None) -> None:
    """Ask whether you have rights to a team, as proxies do.

    Prints the ids of the user, the team and the key, and the rights; ends with 5 when they do not suffice.
    """
    client = context.client()
    team_id = team_path(client, team).rpartition("/")[2]
    reply = client.send("GET", "/authorize", [("team", team_id), ("rights", rights)])
    client.read(reply)
    found = [(label, clean(reply.headers.get(name))) for name, label in _LABELS.items()]
    if context.as_json:
        document({label.lower(): value for label, value in found})
    else:
        facts(found)
