"""`reflow team`: one's teams, their members, and inviting people."""

from __future__ import annotations

from typing import Any

import click

from reflow_accounts.cli.commands.invitations import invitations
from reflow_accounts.cli.commands.service_accounts import service_accounts
from reflow_accounts.cli.commands.team_lookup import path_of_team, team_option
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import Problem
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.http.json_values import objects_in
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document, moment, table
from reflow_accounts.cli.text import clean

RIGHTS = ("view", "edit", "admin")


@click.group()
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
    answer = context.client().listing("/teams")
    if context.as_json:
        document(answer)
        return
    rows = [[item.get(name) for name in ("id", "name", "rights", "subscription")] for item in answer["items"]]
    table(("Id", "Name", "Your rights", "Subscription"), rows)
    if not rows:
        context.tell("You belong to no team.")


@team.command("members")
@team_option
@common_options
@pass_context
def list_members(context: Context, team: str | None) -> None:
    """List the people of a team.

    Columns: id, name, email, rights, last active, joined. Times are UTC.
    """
    client = context.client()
    answer = client.listing(path_of_team(client, team, "members"))
    if context.as_json:
        document(answer)
        return
    headings = ("Id", "Name", "Email", "Rights", "Last active (UTC)", "Joined (UTC)")
    table(headings, map(_row, answer["items"]))


def _row(member: dict[str, Any]) -> tuple[object, ...]:
    who = member.get("id"), member.get("name"), member.get("email"), member.get("rights")
    return *who, moment(member.get("last_active_at")) or "Never", moment(member.get("joined_at"))


@team.command("invite")
@click.argument("emails", metavar="EMAIL...", nargs=-1, required=True)
@click.option(
    "--rights", type=click.Choice(RIGHTS), default="view", show_default=True, help="What they may do."
)
@team_option
@common_options
@pass_context
def invite(context: Context, emails: tuple[str, ...], rights: str, team: str | None) -> None:
    """Invite people to a team by mail.

    Give one address or several: all are invited, or none is. Each link works once, within seven days.
    Needs Admin rights.
    """
    client = context.client()
    answer = _invited(client, path_of_team(client, team, "invitations"), emails, rights)
    if context.as_json:
        document(answer)
    for invitation in objects_in(answer.get("items")):
        context.tell(f"{clean(invitation.get('email'))} was invited ({clean(invitation.get('rights'))}).")


def _invited(client: Client, path: str, emails: tuple[str, ...], rights: str) -> dict[str, Any]:
    try:
        return client.ask_object("POST", path, body={"emails": list(emails), "rights": rights})
    except Problem as problem:
        faults = _faults(problem.document, emails)
        if not faults:
            raise
        raise Problem(problem.status, problem.document, "Nobody was invited.", *faults) from None


def _faults(problem: dict[str, Any], emails: tuple[str, ...]) -> list[str]:
    """Return what is wrong with which address; nothing when it is not about addresses."""
    errors = problem.get("errors")
    if not isinstance(errors, list) or not all(isinstance(error, dict) for error in errors):
        return []
    lines = []
    for error in errors:
        name, _, place = str(error.get("field")).partition(".")
        if name != "emails":
            return []
        at = int(place) if place.isdecimal() and len(place) < 5 else len(emails)
        whose = f"{clean(emails[at])}: " if at < len(emails) else ""
        lines.append(f"  {whose}{error.get('message')}")
    return lines


team.add_command(invitations)
team.add_command(service_accounts)
