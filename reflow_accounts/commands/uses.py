"""`reflow-accounts uses`: the log of the uses of API keys."""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from time import sleep

import click
from flask.cli import AppGroup

from reflow_accounts.activity.chain import extend_with_uses
from reflow_accounts.api_keys.usage.retention import prune, when_unlocked
from reflow_accounts.api_keys.usage.rollup import recount, roll_up
from reflow_accounts.api_keys.usage.verify import Difference, count_keys, differences
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.commands.errors import handle_errors, say_what_takes_long
from reflow_accounts.database import db, now
from reflow_accounts.web.filters import rfc3339

# A hundred years, in days. Much larger ages would reach before year 1, the first that `datetime` supports.
LARGEST_AGE = 36_500
# While another process extends the hash chains.
_PAUSE_S = 0.5

uses = AppGroup("uses", help="The log of the uses of API keys.")


@uses.command("verify")
@click.option(
    "--repair", is_flag=True, help="Rebuild totals, ranges and counts from the log when they differ."
)
@handle_errors
def verify_uses(repair: bool) -> None:
    """Recount the log of uses and compare it with the totals, ranges and counts by time of each key.

    Can run while the service does. Pruned uses cannot be recounted; totals keep their number. On SQLite,
    requests wait during --repair: a few seconds for a million uses.
    """
    say_what_takes_long("Counting the log of uses, which takes minutes with millions of uses…")
    differing_keys = differences()
    for difference in differing_keys:
        for line in _describe_difference(difference):
            click.echo(f"{difference.key_id}: {line}")
    if differing_keys and repair:
        say_what_takes_long("Rebuilding the totals of all keys and counting again…")
        recount(db.session.connection())
        record(Action.USES_RECOUNTED, by=None, count=len(differing_keys))
        db.session.commit()
        remaining_keys = differences()
        if remaining_keys:
            sys.exit(
                f"reflow-accounts: {len(remaining_keys)} keys still differ. Run `uses verify` again to see which."
            )
        click.echo(f"The totals of {len(differing_keys)} keys were rebuilt from the log; all agree now.")
    elif differing_keys:
        sys.exit(
            f"reflow-accounts: {len(differing_keys)} keys differ. Nothing was changed. "
            "`reflow-accounts uses verify --repair` rebuilds totals, ranges and counts from the log."
        )
    else:
        click.echo(f"The totals of {count_keys()} keys agree with the log.")


def _describe_difference(difference: Difference) -> Iterator[str]:
    if difference.counted != difference.logged:
        yield f"the total says {difference.counted}, the log says {difference.logged}"
    if difference.last_counted_at != difference.last_logged_at:
        counted_at, logged_at = map(_format_time, (difference.last_counted_at, difference.last_logged_at))
        yield f"last used {counted_at} by the total, {logged_at} by the log"
    if difference.misled:
        yield f"the ranges, which lists of uses read, are wrong about {difference.misled} uses"
    if difference.miscounted:
        yield f"the counts by time, which charts read, are wrong about {difference.miscounted} uses"


def _format_time(at: datetime | None) -> str:
    return rfc3339(at) or "never"


@uses.command("prune")
@click.option(
    "--older-than", type=click.IntRange(1, LARGEST_AGE), required=True, metavar="DAYS", help="Age in days."
)
@handle_errors
def prune_uses(older_than: int) -> None:
    """Remove old uses from the log and from charts; the totals of keys stay as they are."""
    say_what_takes_long("Removing old uses in small batches. After an interruption, run the command again…")
    # Pruned uses stay in the hash chains, to which a serving process may be adding them.
    while not when_unlocked(extend_with_uses):
        sleep(_PAUSE_S)
    count = prune(now() - timedelta(days=older_than))
    click.echo(f"{count} uses older than {older_than} days were removed; all totals were kept.")


@uses.command("roll-up")
@handle_errors
def roll_up_uses() -> None:
    """Roll up the newest uses into the totals now (serving processes do so regularly)."""
    roll_up()
    click.echo("All uses are rolled up.")
