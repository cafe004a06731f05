"""`reflow keys`: list, show, create, rename, rotate, revoke and restore API keys."""

from __future__ import annotations

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.keys import create, list_revoke, restore, rotate
from reflow_accounts.cli.keys.destination import Target, destination_options
from reflow_accounts.cli.keys.expiry import expires_option
from reflow_accounts.cli.options import Group, common_options, pass_context


@click.group(cls=Group)
@common_options
def keys() -> None:
    """List, create, rotate, revoke and restore API keys."""


@keys.command("list")
@click.option("--state", type=click.Choice(list_revoke.STATES), default="live", show_default=True)
@common_options
@pass_context
def list_keys(context: Context, state: str) -> None:
    """List your API keys.

    Columns: id, name, last four characters, times used, last used, created, expires; with --state revoked or
    all, also the time of revocation. In a pipe, times are exact (UTC).
    """
    list_revoke.list_keys(context.client(), state, as_json=context.as_json)


@keys.command("create")
@click.argument("name")
@expires_option
@create.canary_option
@destination_options
@common_options
def create_key(name: str, expires: str | None, canary: bool, target: Target) -> None:
    """Create an API key called NAME and print it.

    The key is shown only once. Only the key goes to stdout, so it can be piped. With --save repo, and
    if git does not ignore the file yet, it asks on a terminal which ignore file to use.
    """
    create.check_canary_place(target, is_canary=canary)
    create.create_key(target.client(), name, target, expires=expires, is_canary=canary)


@keys.command("restore")
@click.argument("name_or_id")
@common_options
@pass_context
def restore_key(context: Context, name_or_id: str) -> None:
    """Restore an API key that you revoked less than 24 hours ago.

    All copies of the key work again. Needs a login (reflow login): an API key cannot restore keys.
    """
    restore.restore_key(context.client(), name_or_id, as_json=context.as_json)


@keys.command("show")
@click.argument("name_or_id")
@click.option("--uses", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Number of uses.")
@common_options
@pass_context
def show_key(context: Context, name_or_id: str, uses: int) -> None:
    """Show an API key, also a revoked one, its usage and its newest uses.

    Columns of a use: time, request, status, address, and the program as it names itself.
    """
    list_revoke.show_key(context, context.client(), name_or_id, uses=uses)


@keys.command("rename")
@click.argument("name_or_id")
@click.argument("new_name")
@common_options
@pass_context
def rename_key(context: Context, name_or_id: str, new_name: str) -> None:
    """Rename an API key."""
    list_revoke.rename_key(context, context.client(), name_or_id, new_name)


@keys.command("rotate")
@click.argument("name_or_id")
@rotate.overlap_option
@destination_options
@common_options
@pass_context
def rotate_key(context: Context, name_or_id: str, overlap: str, target: Target) -> None:
    """Replace an API key with a new one of the same name. The old one ends after --overlap.

    If the key is in use and comes from a file, the new one replaces it in that file; otherwise it is
    printed, or saved with -o or --save. The new key is tried before it is saved. With --overlap 0, on a
    terminal, it asks first when the key was used in the last 24 hours.
    """
    rotate.rotate_key(target, context.client(), name_or_id, overlap=overlap)


@keys.command("revoke")
@click.argument("name_or_id")
@click.option("--descendants", is_flag=True, help="Also revoke the keys that it created, and theirs.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@common_options
@pass_context
def revoke_key(context: Context, name_or_id: str, descendants: bool, yes: bool) -> None:
    """Revoke the API key with this name or id, at once.

    For 24 hours, a login can undo this with reflow keys restore.

    On a terminal it asks first when the key was used in the last 24 hours; --yes skips the question.
    A script needs no --yes: without a terminal, it does not ask.
    """
    list_revoke.revoke_key(context, context.client(), name_or_id, yes=yes, descendants=descendants)
