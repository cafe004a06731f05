"""`reflow team service-accounts keys`: manage the API keys of a service account."""

from __future__ import annotations

import click

from reflow_accounts.cli.commands.team_lookup import account_named, team_option, team_path
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.http.client import ApiClient
from reflow_accounts.cli.keys import create, list_revoke, restore, rotate
from reflow_accounts.cli.keys.destination import Target, destination_options
from reflow_accounts.cli.keys.expiry import expires_option
from reflow_accounts.cli.keys.lookup import KeyOwner, service_account_owner
from reflow_accounts.cli.options import Group, common_options, pass_context


@click.group(cls=Group)
@common_options
def keys() -> None:
    """List, create, rotate, revoke and restore API keys of a service account."""


@keys.command("list")
@click.argument("account")
@click.option("--state", type=click.Choice(list_revoke.STATES), default="live", show_default=True)
@team_option
@common_options
@pass_context
def list_keys(context: Context, account: str, state: str, team: str | None) -> None:
    """List the API keys of ACCOUNT, a service account's name or id. Needs Admin rights.

    Columns: id, name, last four characters, times used, last used, created, expires; with --state revoked or
    all, also the time of revocation. In a pipe, times are exact (UTC).
    """
    client = context.client()
    list_revoke.list_keys(client, state, _owner(client, team, account), as_json=context.as_json)


@keys.command("create")
@click.argument("account")
@click.argument("name")
@expires_option
@create.canary_option
@destination_options
@team_option
@common_options
def create_key(
    account: str, name: str, expires: str | None, canary: bool, target: Target, team: str | None
) -> None:
    """Create an API key called NAME of the service account ACCOUNT and print it. Needs Admin rights.

    The key is shown only once. Only the key goes to stdout, so it can be piped. With --save repo, and
    if git does not ignore the file yet, it asks on a terminal which ignore file to use.
    """
    create.check_canary_place(target, is_canary=canary)
    client = target.client()
    owner = _owner(client, team, account)
    create.create_key(client, name, target, owner, expires=expires, is_canary=canary)


@keys.command("restore")
@click.argument("account")
@click.argument("name_or_id")
@team_option
@common_options
@pass_context
def restore_key(context: Context, account: str, name_or_id: str, team: str | None) -> None:
    """Restore a key of the service account ACCOUNT that was revoked less than 24 hours ago.

    All copies of the key work again. Needs Admin rights and a login (reflow login): an API key cannot restore
    keys.
    """
    client = context.client()
    restore.restore_key(client, name_or_id, _owner(client, team, account), as_json=context.as_json)


@keys.command("show")
@click.argument("account")
@click.argument("name_or_id")
@team_option
@common_options
@pass_context
def show_key(context: Context, account: str, name_or_id: str, team: str | None) -> None:
    """Show one key of the service account ACCOUNT, also a revoked one, and its usage. Needs Admin rights."""
    client = context.client()
    list_revoke.show_key(context, client, name_or_id, _owner(client, team, account), uses=0)


@keys.command("rename")
@click.argument("account")
@click.argument("name_or_id")
@click.argument("new_name")
@team_option
@common_options
@pass_context
def rename_key(context: Context, account: str, name_or_id: str, new_name: str, team: str | None) -> None:
    """Rename a key of the service account ACCOUNT. Needs Admin rights."""
    client = context.client()
    list_revoke.rename_key(context, client, name_or_id, new_name, _owner(client, team, account))


@keys.command("rotate")
@click.argument("account")
@click.argument("name_or_id")
@rotate.overlap_option
@destination_options
@team_option
@common_options
@pass_context
def rotate_key(
    context: Context, account: str, name_or_id: str, overlap: str, target: Target, team: str | None
) -> None:
    """Replace an API key of the service account ACCOUNT. The old one ends after --overlap.

    The new key has the same name. It is tried, and printed, or saved with -o or --save. With --overlap 0,
    on a terminal, it asks first when the key was used in the last 24 hours. Needs Admin rights.
    """
    client = context.client()
    rotate.rotate_key(target, client, name_or_id, _owner(client, team, account), overlap=overlap)


@keys.command("revoke")
@click.argument("account")
@click.argument("name_or_id")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@team_option
@common_options
@pass_context
def revoke_key(context: Context, account: str, name_or_id: str, yes: bool, team: str | None) -> None:
    """Revoke a key of the service account ACCOUNT, at once. Needs Admin rights.

    For 24 hours, a login can undo this with reflow team service-accounts keys restore.

    On a terminal it asks first when the key was used in the last 24 hours; --yes skips the question.
    A script needs no --yes: without a terminal, it does not ask.
    """
    client = context.client()
    list_revoke.revoke_key(context, client, name_or_id, _owner(client, team, account), yes=yes)


def _owner(client: ApiClient, team: str | None, id_or_name: str) -> KeyOwner:
    accounts = team_path(client, team, "service-accounts")
    return service_account_owner(accounts, account_named(client, accounts, id_or_name))
