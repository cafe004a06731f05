"""`reflow support`: find teams and set their subscriptions (support staff only)."""

from __future__ import annotations

from typing import Any

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import ApiError, NoMatch
from reflow_accounts.cli.http.client import ApiClient, as_object
from reflow_accounts.cli.keys.expiry import end_of
from reflow_accounts.cli.options import Group, common_options, pass_context
from reflow_accounts.cli.output import document, tell
from reflow_accounts.cli.tables import ID, Column, table, when
from reflow_accounts.cli.text import api_path, clean, minute_in

PATH = "/support/teams"
_COLUMNS = (
    ID,
    Column("Name", is_text=True),
    Column("Subscription"),
    Column("AWS", rank=2),
    Column("API keys", rank=1),
    Column("Last request"),
)


@click.group(cls=Group)
@common_options
def support() -> None:
    """Find teams and set subscriptions (support staff only)."""


@support.command("teams")
@click.argument("query", required=False, default="")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Maximum number of teams."
)
@common_options
@pass_context
def find_teams(context: Context, query: str, limit: int) -> None:
    """Find teams by name, id, a member's email or id, or an AWS account.

    Columns: id, name, subscription, AWS state, API keys, last request.
    In a pipe, times are exact (UTC).
    """
    data = _listing(context.client(), query, limit)
    if context.as_json:
        document(data)
        return
    rows = [
        (
            *map(team.get, ("id", "name", "subscription", "aws_state", "api_keys")),
            when(team.get("last_request_at")) or "Never",
        )
        for team in data["items"]
    ]
    table(_COLUMNS, rows)
    if not rows:
        tell("No team was found.")


@support.command("subscription")
@click.argument("team")
@click.argument("state", type=click.Choice(["active", "inactive"]))
@click.option(
    "--reason", required=True, metavar="TEXT", help="The reason, for the history that support sees."
)
@click.option(
    "--until",
    metavar="WHEN",
    help="When it ends: 30d, a date (its last day, in local time), or a time with a zone.",
)
@click.option("--ticket", metavar="TEXT", default="", help="The support ticket.")
@common_options
@pass_context
def set_subscription(
    context: Context, team: str, state: str, reason: str, until: str | None, ticket: str
) -> None:
    """Set the subscription of TEAM (name or id) to active or inactive, whatever AWS says.

    Without --until, active ends after 30 days.
    """
    body = {"active": state == "active", "reason": reason, "ticket": ticket}
    if until is not None:
        body["expires_at"] = end_of(until, "--until")
    client = context.client()
    data = client.ask_object("PUT", api_path(PATH, _team_id(client, team), "subscription"), body=body)
    if context.as_json:
        document(data)
    end = minute_in(as_object(data.get("override")), "expires_at")
    when_ends = f"until {end}" if end else "now"
    tell(f"The subscription of {clean(data.get('name'))} is {clean(data.get('subscription'))} {when_ends}.")


def _listing(client: ApiClient, query: str, limit: int | None = None) -> dict[str, Any]:
    try:
        return client.listing(PATH, [("q", query)] if query else [], limit)
    except ApiError as problem:
        if problem.status != 404:
            raise
        raise NoMatch("This is for support staff only. Your own teams: reflow team list.") from None


def _team_id(client: ApiClient, id_or_name: str) -> object:
    teams = _listing(client, id_or_name)["items"]
    matches = [team for team in teams if team.get("id") == id_or_name]
    matches = matches or [team for team in teams if str(team.get("name")).casefold() == id_or_name.casefold()]
    if len(matches) == 1:
        return matches[0].get("id")
    why = f"{len(matches)} teams are" if matches else "No team is"
    raise NoMatch(
        f"{why} named {clean(id_or_name)}. Give the id.",
        *(f"  {clean(team.get('id'))}  {clean(team.get('name'))}" for team in matches or teams),
    )
