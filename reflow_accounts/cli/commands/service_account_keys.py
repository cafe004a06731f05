"""`reflow team service-accounts keys`: the API keys of a service account, with the parts of one's own."""

from __future__ import annotations

import click

from reflow_accounts.cli.commands.team_lookup import account_named, path_in, path_of_team, team_option
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.keys.create import Target, make_key, where_to
from reflow_accounts.cli.keys.list_revoke import STATES, revoke, show
from reflow_accounts.cli.keys.lookup import KeyOwner
from reflow_accounts.cli.keys.rotate import overlap_option, rotate
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.text import clean, shell


@click.group()
@common_options
def keys() -> None:
    """List, create, rotate and revoke API keys of a service account."""


@keys.command("list")
@click.argument("account")
@click.option("--state", type=click.Choice(STATES), default="live", show_default=True)
@team_option
@common_options
@pass_context
def list_keys(context: Context, account: str, state: str, team: str | None) -> None:
    """List the API keys of ACCOUNT, a service account's name or id. Needs Admin rights.

    Columns: id, name, last four characters, times used, last used, created, expires. Times are UTC.
    """
    client = context.client()
    show(context, client, state, _ring(client, team, account))


@keys.command("create")
@click.argument("account")
@click.argument("name")
@where_to
@team_option
@common_options
@pass_context
def create_key(
    context: Context,
    account: str,
    name: str,
    output: str | None,
    save: str | None,
    force: bool,
    yes: bool,
    team: str | None,
) -> None:
    """Create an API key called NAME of the service account ACCOUNT and print it. Needs Admin rights.

    The key is shown this once. Only the key goes to stdout, so it can be piped. With --save repo, and
    where git does not ignore the file yet, it asks on a terminal where that shall be written down.
    """
    target = Target(context, output=output, save=save, force=force, yes=yes)
    client = context.client()
    make_key(client, name, target, _ring(client, team, account))


@keys.command("rotate")
@click.argument("account")
@click.argument("name_or_id")
@overlap_option
@where_to
@team_option
@common_options
@pass_context
def rotate_key(
    context: Context,
    account: str,
    name_or_id: str,
    overlap: str | None,
    output: str | None,
    save: str | None,
    force: bool,
    yes: bool,
    team: str | None,
) -> None:
    """Put a new key in the place of this one of the service account ACCOUNT, and revoke the old one.

    The new key is printed, or goes where -o or --save say. It is tried before the old one is ended; when
    that fails, everything is as it was. On a terminal it asks first when the key was used in the last 24
    hours. Needs Admin rights.
    """
    target = Target(context, output=output, save=save, force=force, yes=yes)
    client = context.client()
    rotate(target, client, name_or_id, _ring(client, team, account), overlap=overlap, yes=yes)


@keys.command("revoke")
@click.argument("account")
@click.argument("name_or_id")
@click.option("--yes", is_flag=True, help="At a terminal, do not ask.")
@team_option
@common_options
@pass_context
def revoke_key(context: Context, account: str, name_or_id: str, yes: bool, team: str | None) -> None:
    """Revoke a key of the service account ACCOUNT, at once and for good. Needs Admin rights.

    Only a person at a terminal is asked first, when the key was used in the last 24 hours; --yes leaves the
    question out. A script needs no --yes: there the key is revoked without a question.
    """
    client = context.client()
    revoke(context, client, name_or_id, _ring(client, team, account), yes=yes)


def _ring(client: Client, team: str | None, words: str) -> KeyOwner:
    accounts = path_of_team(client, team, "service-accounts")
    account = account_named(client, accounts, words)
    return KeyOwner(
        path_in(accounts, account, "keys"),
        "reflow team service-accounts keys",
        f"Account > Team > {clean(account.get('name'))}",
        shell(account.get("name")),
    )
