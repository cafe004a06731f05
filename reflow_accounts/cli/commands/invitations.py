"""`reflow team invitations`: list, resend and cancel pending invitations."""

from __future__ import annotations

import click

from reflow_accounts.cli.commands.team_lookup import invitation_named, team_option, team_path
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.options import Group, common_options, pass_context
from reflow_accounts.cli.output import document, tell
from reflow_accounts.cli.tables import ID, Column, table, when
from reflow_accounts.cli.text import api_path, clean


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
    answer = client.listing(team_path(client, team, "invitations"))
    if context.as_json:
        document(answer)
        return
    rows = [
        (
            *map(item.get, ("id", "email", "rights", "state")),
            when(item.get("sent_at")),
            when(item.get("expires_at")),
        )
        for item in answer["items"]
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
    if not answer["items"]:
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
    answer = client.ask_object("POST", api_path(path, invitation.get("id"), "sending"))
    if context.as_json:
        document(answer)
    tell(f"The invitation to {clean(answer.get('email'))} was sent again.")


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
    tell(f"The invitation to {clean(invitation.get('email'))} was cancelled.")
