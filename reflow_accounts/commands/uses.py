"""`flask uses`: the log of the uses of API keys."""

import sys
from datetime import timedelta

import click
from flask.cli import AppGroup

from reflow_accounts.api_keys.folding import fold
from reflow_accounts.api_keys.retention import prune
from reflow_accounts.api_keys.verifying import count_keys, differences
from reflow_accounts.commands.plainly import said_plainly
from reflow_accounts.extensions import now

uses = AppGroup("uses", help="The log of the uses of API keys.")


@uses.command("verify")
@said_plainly
def verify_uses() -> None:
    """Count the log of uses again and compare it with the totals, key by key."""
    found = list(differences())
    for one in found:
        click.echo(f"{one.key_id}: the total says {one.counted}, the log says {one.logged}")
    if found:
        sys.exit(f"{len(found)} keys differ. Nothing was changed.")
    click.echo(f"The totals of {count_keys()} keys agree with the log.")


@uses.command("prune")
@click.option("--older-than", type=click.IntRange(min=1), required=True, metavar="DAYS", help="Age in days.")
@said_plainly
def prune_uses(older_than: int) -> None:
    """Remove old uses from the log; the number of times that a key was used stays as it is."""
    removed = prune(now() - timedelta(days=older_than))
    click.echo(f"{removed} uses older than {older_than} days were removed; all totals were kept.")


@uses.command("fold")
@said_plainly
def fold_uses() -> None:
    """Fold the newest uses into the totals now (requests do it by themselves from time to time)."""
    fold()
    click.echo("Every use is folded.")
