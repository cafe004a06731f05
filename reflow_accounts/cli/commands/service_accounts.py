"""`reflow team service-accounts`: list, create, change and delete service accounts."""

from __future__ import annotations

from typing import Any

import click

from reflow_accounts.cli.commands.service_account_keys import keys
from reflow_accounts.cli.commands.team_lookup import account_named, team_option, team_path
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import CommandError, UsageFault
from reflow_accounts.cli.options import Group, common_options, pass_context
from reflow_accounts.cli.output import document, facts, result, tell
from reflow_accounts.cli.tables import ID, Column, table, when
from reflow_accounts.cli.text import api_path, clean, minute_in

RIGHTS = ("view", "edit")


@click.group("service-accounts", cls=Group)
@common_options
def service_accounts() -> None:
    """List and manage service accounts and their API keys."""


@service_accounts.command("list")
@team_option
@common_options
@pass_context
def list_accounts(context: Context, team: str | None) -> None:
    """List the service accounts of a team, newest first.

    Columns: id, name, rights, state (enabled or disabled), keys, last used, created.
    In a pipe, times are exact (UTC).
    """
    client = context.client()
    data = client.listing(team_path(client, team, "service-accounts"))
    if context.as_json:
        document(data)
        return
    columns = (
        ID,
        Column("Name", is_text=True),
        Column("Rights"),
        Column("State", rank=1),
        Column("Keys"),
        Column("Last used"),
        Column("Created", rank=2),
    )
    rows = [
        (
            *map(account.get, ("id", "name", "rights")),
            "disabled" if account.get("disabled") else "enabled",
            account.get("key_count"),
            when(account.get("last_used_at")) or "Never",
            when(account.get("created_at")),
        )
        for account in data["items"]
    ]
    table(columns, rows)
    if not data["items"]:
        tell("No service accounts. Create one with reflow team service-accounts create NAME.")


@service_accounts.command("show")
@click.argument("name_or_id")
@team_option
@common_options
@pass_context
def show(context: Context, name_or_id: str, team: str | None) -> None:
    """Show one service account. Needs Admin rights."""
    client = context.client()
    path = team_path(client, team, "service-accounts")
    account = client.ask_object("GET", api_path(path, account_named(client, path, name_or_id).get("id")))
    if context.as_json:
        document(account)
        return
    facts(
        [
            ("Id", clean(account.get("id"))),
            ("Name", _name(account)),
            ("Rights", clean(account.get("rights"))),
            ("State", "disabled" if account.get("disabled") else "enabled"),
            ("Keys", clean(account.get("key_count"))),
            ("Last used", when(account.get("last_used_at")) or "Never"),
            ("Created", when(account.get("created_at"))),
        ]
    )


@service_accounts.command("create")
@click.argument("name")
@click.option("--rights", type=click.Choice(RIGHTS), default="edit", show_default=True, help="Its rights.")
@team_option
@common_options
@pass_context
def create(context: Context, name: str, rights: str, team: str | None) -> None:
    """Create a service account called NAME and print its id. Needs Admin rights."""
    client = context.client()
    path = team_path(client, team, "service-accounts")
    account = client.ask_object("POST", path, body={"name": name, "rights": rights})
    if context.as_json:
        document(account)
    else:
        result(clean(account.get("id")))
    tell(f"The service account {_name(account)} was created with {clean(account.get('rights'))} rights.")


@service_accounts.command("rename")
@click.argument("name_or_id")
@click.argument("new_name")
@team_option
@common_options
@pass_context
def rename(context: Context, name_or_id: str, new_name: str, team: str | None) -> None:
    """Rename a service account. Needs Admin rights."""
    account = _change(context, team, name_or_id, {"name": new_name})
    tell(f"The service account is called {_name(account)} now.")


@service_accounts.command("rights")
@click.argument("name_or_id")
@click.argument("rights", type=click.Choice(RIGHTS))
@team_option
@common_options
@pass_context
def change_rights(context: Context, name_or_id: str, rights: str, team: str | None) -> None:
    """Change the rights of a service account. Needs Admin rights."""
    account = _change(context, team, name_or_id, {"rights": rights})
    tell(f"The service account {_name(account)} has {clean(account.get('rights'))} rights now.")


@service_accounts.command("disable")
@click.argument("name_or_id")
@team_option
@common_options
@pass_context
def disable(context: Context, name_or_id: str, team: str | None) -> None:
    """Disable a service account: its keys are refused at once. Needs Admin rights."""
    account = _change(context, team, name_or_id, {"disabled": True})
    tell(f"The service account {_name(account)} is disabled: its keys are refused.")


@service_accounts.command("enable")
@click.argument("name_or_id")
@team_option
@common_options
@pass_context
def enable(context: Context, name_or_id: str, team: str | None) -> None:
    """Enable a service account: its keys work again. Needs Admin rights."""
    account = _change(context, team, name_or_id, {"disabled": False})
    tell(f"The service account {_name(account)} is enabled.")


@service_accounts.command("delete")
@click.argument("name_or_id")
@click.option("--yes", is_flag=True, help="Do not ask; required in scripts.")
@team_option
@common_options
@pass_context
def delete(context: Context, name_or_id: str, yes: bool, team: str | None) -> None:
    """Delete a service account and revoke its keys, at once and permanently.

    On a terminal it asks first; a script must give --yes. Needs Admin rights.
    """
    if not yes and not context.may_ask:
        raise UsageFault(
            "Deleting needs a confirmation, and there is no terminal to ask on. Give --yes to delete it."
        )
    client = context.client()
    path = team_path(client, team, "service-accounts")
    account = account_named(client, path, name_or_id)
    if not yes:
        count, last_used = account.get("key_count"), minute_in(account, "last_used_at")
        stop = "Its key stops working" if count == 1 else f"Its {clean(count)} keys stop working"
        used = f", last used {last_used}" if last_used else ""
        question = f"Delete the service account {_name(account)}? {stop} at once{used}."
        if not click.confirm(question, err=True):
            raise CommandError("Nothing was deleted.")
    client.ask("DELETE", api_path(path, account.get("id")))
    if context.as_json:
        document({"id": account.get("id"), "deleted": True})
    tell(f"The service account {_name(account)} was deleted and its keys were revoked.")


def _change(context: Context, team: str | None, id_or_name: str, payload: dict[str, Any]) -> dict[str, Any]:
    client = context.client()
    path = team_path(client, team, "service-accounts")
    data = client.ask_object(
        "PATCH", api_path(path, account_named(client, path, id_or_name).get("id")), body=payload
    )
    if context.as_json:
        document(data)
    return data


def _name(account: dict[str, Any]) -> str:
    return clean(account.get("name"))


service_accounts.add_command(keys)
