"""`reflow keys`: list, create and revoke API keys."""

from __future__ import annotations

import click

from reflow_accounts.cli.new_key import NewKey, where_to
from reflow_accounts.cli.old_keys import STATES, revoke, show
from reflow_accounts.cli.options import common_options, pass_run
from reflow_accounts.cli.run import Run


@click.group()
@common_options
def keys() -> None:
    """List, create and revoke API keys."""


@keys.command("list")
@click.option("--state", type=click.Choice(STATES), default="live", show_default=True)
@common_options
@pass_run
def list_keys(run: Run, state: str) -> None:
    """List your API keys.

    Columns: id, name, last four characters, times used, last used, created. Times are UTC.
    """
    show(run, run.client(), state)


@keys.command("create")
@click.argument("name")
@where_to
@common_options
@pass_run
def create_key(run: Run, name: str, output: str | None, save: str | None, force: bool) -> None:
    """Create an API key called NAME and print it.

    The key is shown this once. Only the key goes to stdout, so it can be piped.
    """
    key = NewKey(run, name, output=output, save=save, force=force)
    key.make(run.client())


@keys.command("revoke")
@click.argument("name_or_id")
@click.option("--yes", is_flag=True, help="Do not ask, even when the key was used lately.")
@common_options
@pass_run
def revoke_key(run: Run, name_or_id: str, yes: bool) -> None:
    """Revoke the API key with this name or id, at once and for good.

    On a terminal it asks first when the key was used in the last 24 hours.
    """
    revoke(run, run.client(), name_or_id, yes=yes)
