"""`reflow team members` and `reflow team invitations`."""

from __future__ import annotations

import click

from reflow_accounts.cli.commands.team_lookup import (
    RIGHTS,
    invitation_named,
    member_named,
    team_option,
    team_path,
)
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import CommandError, UsageFault
from reflow_accounts.cli.options import Group, common_options, pass_context
from reflow_accounts.cli.output import document, tell
from reflow_accounts.cli.tables import ID, Column, table, when
from reflow_accounts.cli.text import api_path, clean

_COLUMNS = (
    ID,
    Column("Name", is_text=True),
    Column("Email", is_text=True),
    Column("Rights"),
    Column("Last active"),
    Column("Joined", rank=1),
)

_TEAM = "reflow_accounts.cli.team"


@click.group(cls=Group, invoke_without_command=True)
@team_option
@common_options
@click.pass_context
def members(ctx: click.Context, team: str | None) -> None:
    """List the members of a team, change their rights or remove them.

    Lists them without a further command. Columns: id, name, email, rights, last active, joined.
    In a pipe, times are exact (UTC).
    """
    if ctx.invoked_subcommand is None:
        _list(ctx.ensure_object(Context), team)
    else:
        ctx.meta[_TEAM] = team


def _list(context: Context, team: str | None) -> None:
    client = context.client()
    data = client.listing(team_path(client, team, "members"))
    if context.as_json:
        document(data)
        return
    rows = [
        (
            *map(member.get, ("id", "name", "email", "rights")),
            when(member.get("last_active_at")) or "Never",
            when(member.get("joined_at")),
        )
        for member in data["items"]
    ]
    table(_COLUMNS, rows)


@members.command("list")
@team_option
@common_options
@pass_context
def list_members(context: Context, team: str | None) -> None:
    """List the members of a team, as reflow team members does."""
    _list(context, team or click.get_current_context().meta.get(_TEAM))


@members.command("rights")
@click.argument("email_or_id")
@click.argument("rights", type=click.Choice(RIGHTS))
@team_option
@common_options
@pass_context
def change_rights(context: Context, email_or_id: str, rights: str, team: str | None) -> None:
    """Change the rights of a member. Needs Admin rights."""
    client = context.client()
    path = team_path(client, team or click.get_current_context().meta.get(_TEAM), "members")
    member = member_named(client, path, email_or_id)
    data = client.ask_object("PATCH", api_path(path, member.get("id")), body={"rights": rights})
    if context.as_json:
        document(data)
    tell(f"{clean(data.get('name'))} has {clean(data.get('rights'))} rights now.")


@members.command("remove")
@click.argument("email_or_id")
@click.option("--yes", is_flag=True, help="Do not ask; required in scripts.")
@team_option
@common_options
@pass_context
def remove(context: Context, email_or_id: str, yes: bool, team: str | None) -> None:
    """Remove a member from a team. Needs Admin rights, except for yourself.

    On a terminal it asks first; a script must give --yes.
    """
    if not yes and not context.may_ask:
        raise UsageFault(
            "Removing needs a confirmation, and there is no terminal to ask on. Give --yes to remove the member."
        )
    client = context.client()
    path = team_path(client, team or click.get_current_context().meta.get(_TEAM), "members")
    member = member_named(client, path, email_or_id)
    name = clean(member.get("name"))
    if not yes and not click.confirm(
        f"Remove {name}? This person loses access to the team at once.", err=True
    ):
        raise CommandError("No member was removed.")
    client.ask("DELETE", api_path(path, member.get("id")))
    if context.as_json:
        document({"id": member.get("id"), "removed": True})
    tell(f"{name} was removed from the team.")


@click.group(cls=Group)
@common_options
def invitations() -> None:
    """List, resend and cancel pending invitations."""


@invitations.command("list")
@team_option
@common_options
@pass_context
def list_invitations(context: Context, team: str | None) -> None:
    """List the pending invitations, newest first.

    Columns: id, email, rights, state (open or expired), sent, expires.
    In a pipe, times are exact (UTC). Needs Admin rights.
    """
    client = context.client()
    data = client.listing(team_path(client, team, "invitations"))
    if context.as_json:
        document(data)
        return
    rows = [
        (
            *map(item.get, ("id", "email", "rights", "state")),
            when(item.get("sent_at")),
            when(item.get("expires_at")),
        )
        for item in data["items"]
    ]
    columns = (
        ID,
        Column("Email", is_text=True),
        Column("Rights"),
        Column("State"),
        Column("Sent", rank=1),
        Column("Expires"),
    )
    table(columns, rows)
    if not data["items"]:
        tell("No invitation is pending. Invite people with reflow team invite EMAIL.")


@invitations.command("resend")
@click.argument("email_or_id")
@team_option
@common_options
@pass_context
def resend(context: Context, email_or_id: str, team: str | None) -> None:
    """Mail a new link; the old one stops working. Needs Admin rights."""
    client = context.client()
    path = team_path(client, team, "invitations")
    invitation = invitation_named(client, path, email_or_id)
    data = client.ask_object("POST", api_path(path, invitation.get("id"), "sending"))
    if context.as_json:
        document(data)
    tell(f"The invitation to {clean(data.get('email'))} was sent again.")


@invitations.command("cancel")
@click.argument("email_or_id")
@team_option
@common_options
@pass_context
def cancel(context: Context, email_or_id: str, team: str | None) -> None:
    """Cancel an invitation: its link stops working. Needs Admin rights."""
    client = context.client()
    path = team_path(client, team, "invitations")
    invitation = invitation_named(client, path, email_or_id)
    client.ask("DELETE", api_path(path, invitation.get("id")))
    if context.as_json:
        document({"id": invitation.get("id"), "cancelled": True})
    tell(f"The invitation to {clean(invitation.get('email'))} was cancelled.")
