"""`reflow team`: list teams and members, and invite people."""

from __future__ import annotations

from typing import Any

import click

from reflow_accounts.cli.commands.members import invitations, members
from reflow_accounts.cli.commands.service_accounts import service_accounts
from reflow_accounts.cli.commands.team_lookup import RIGHTS, team_option, team_path
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import ApiError
from reflow_accounts.cli.http.client import objects_in
from reflow_accounts.cli.options import Group, common_options, pass_context
from reflow_accounts.cli.output import document, facts, tell
from reflow_accounts.cli.tables import ID, Column, table, when
from reflow_accounts.cli.text import clean


@click.group(cls=Group)
@common_options
def team() -> None:
    """Show teams, invite people, manage service accounts."""


@team.command("list")
@common_options
@pass_context
def list_teams(context: Context) -> None:
    """List your teams.

    Columns: id, name, your rights, subscription.
    """
    data = context.client().listing("/teams")
    if context.as_json:
        document(data)
        return
    rows = [[item.get(name) for name in ("id", "name", "rights", "subscription")] for item in data["items"]]
    table((ID, Column("Name", is_text=True), Column("Your rights"), Column("Subscription")), rows)
    if not rows:
        tell("You belong to no team.")


@team.command("show")
@team_option
@common_options
@pass_context
def show_team(context: Context, team: str | None) -> None:
    """Show one team."""
    client = context.client()
    data = client.ask_object("GET", team_path(client, team))
    if context.as_json:
        document(data)
        return
    labels = {"id": "Id", "name": "Name", "rights": "Your rights", "subscription": "Subscription"}
    facts(
        [
            *((label, clean(data.get(field))) for field, label in labels.items()),
            ("Created", when(data.get("created_at"))),
        ]
    )


@team.command("rename")
@click.argument("new_name")
@team_option
@common_options
@pass_context
def rename_team(context: Context, new_name: str, team: str | None) -> None:
    """Rename a team. Needs Admin rights."""
    client = context.client()
    data = client.ask_object("PATCH", team_path(client, team), body={"name": new_name})
    if context.as_json:
        document(data)
    tell(f"The team is called {clean(data.get('name'))} now.")


@team.command("invite")
@click.argument("emails", metavar="EMAIL...", nargs=-1, required=True)
@click.option("--rights", type=click.Choice(RIGHTS), default="view", show_default=True, help="Their rights.")
@team_option
@common_options
@pass_context
def invite(context: Context, emails: tuple[str, ...], rights: str, team: str | None) -> None:
    """Invite people to a team by mail.

    Give one or more addresses: either all are invited, or none. Each link works once, within seven days.
    Needs Admin rights.
    """
    client = context.client()
    path = team_path(client, team, "invitations")
    try:
        data = client.ask_object("POST", path, body={"emails": list(emails), "rights": rights})
    except ApiError as problem:
        lines = _refused_addresses(problem.document, emails)
        if not lines:
            raise
        raise ApiError(problem.status, problem.document, "No invitation was sent.", *lines) from None
    if context.as_json:
        document(data)
    for invitation in objects_in(data.get("items")):
        tell(f"{clean(invitation.get('email'))} was invited ({clean(invitation.get('rights'))}).")


def _refused_addresses(problem: dict[str, Any], emails: tuple[str, ...]) -> list[str]:
    """Return one line for each refused address, or none when the problem is not about addresses."""
    errors = problem.get("errors")
    if not isinstance(errors, list) or not all(isinstance(error, dict) for error in errors):
        return []
    lines = []
    for error in errors:
        name, _, number = str(error.get("field")).partition(".")
        if name != "emails":
            return []
        index = int(number) if number.isdecimal() and len(number) < 5 else len(emails)
        address = clean(emails[index]) if index < len(emails) else ""
        message = str(error.get("message"))
        lines.append(f"  {message}" if message.startswith(address) else f"  {address}: {message}")
    return lines


team.add_command(members)
team.add_command(invitations)
team.add_command(service_accounts)
