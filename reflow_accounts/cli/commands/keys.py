"""`reflow keys`: list, create, rotate and revoke API keys."""

from __future__ import annotations

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.keys.create import Target, make_key, where_to
from reflow_accounts.cli.keys.list_revoke import STATES, revoke, show
from reflow_accounts.cli.keys.rotate import overlap_option, rotate
from reflow_accounts.cli.options import common_options, pass_context


@click.group()
@common_options
def keys() -> None:
    """List, create, rotate and revoke API keys."""


@keys.command("list")
@click.option("--state", type=click.Choice(STATES), default="live", show_default=True)
@common_options
@pass_context
def list_keys(context: Context, state: str) -> None:
    """List your API keys.

    Columns: id, name, last four characters, times used, last used, created, expires. Times are UTC.
    """
    show(context, context.client(), state)


@keys.command("create")
@click.argument("name")
@where_to
@common_options
@pass_context
def create_key(
    context: Context, name: str, output: str | None, save: str | None, force: bool, yes: bool
) -> None:
    """Create an API key called NAME and print it.

    The key is shown this once. Only the key goes to stdout, so it can be piped. With --save repo, and
    where git does not ignore the file yet, it asks on a terminal where that shall be written down.
    """
    target = Target(context, output=output, save=save, force=force, yes=yes)
    make_key(context.client(), name, target)


@keys.command("rotate")
@click.argument("name_or_id")
@overlap_option
@where_to
@common_options
@pass_context
def rotate_key(
    context: Context,
    name_or_id: str,
    overlap: str | None,
    output: str | None,
    save: str | None,
    force: bool,
    yes: bool,
) -> None:
    """Put a new API key of the same name in the place of this one, and revoke the old one.

    When it is the key in use and comes from a file, the new one replaces it in that file; else it is
    printed, or goes where -o or --save say. The new key is tried before the old one is ended; when that
    fails, everything is as it was. On a terminal it asks first when the key was used in the last 24 hours.
    """
    target = Target(context, output=output, save=save, force=force, yes=yes)
    rotate(target, context.client(), name_or_id, overlap=overlap, yes=yes)


@keys.command("revoke")
@click.argument("name_or_id")
@click.option("--yes", is_flag=True, help="At a terminal, do not ask.")
@common_options
@pass_context
def revoke_key(context: Context, name_or_id: str, yes: bool) -> None:
    """Revoke the API key with this name or id, at once and for good.

    Only a person at a terminal is asked first, when the key was used in the last 24 hours; --yes leaves the
    question out. A script needs no --yes: there the key is revoked without a question.
    """
    revoke(context, context.client(), name_or_id, yes=yes)
