"""`flask uses`: the log of the uses of API keys."""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import click
from flask.cli import AppGroup

from reflow_accounts.activity.chain import extend_with_uses
from reflow_accounts.api_keys.usage.retention import prune, when_unlocked
from reflow_accounts.api_keys.usage.rollup import recount, roll_up
from reflow_accounts.api_keys.usage.verify import Difference, count_keys, differences
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.commands.errors import handle_errors
from reflow_accounts.database import db, now
from reflow_accounts.web.filters import rfc3339

# A hundred years, in days. Much larger ages would reach before year 1, the first that `datetime` supports.
LARGEST_AGE = 36_500

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
    differing = differences()
    for one in differing:
        for line in _described(one):
            click.echo(f"{one.key_id}: {line}")
    if differing and repair:
        recount(db.session.connection())
        record(Action.USES_RECOUNTED, by=None, count=len(differing))
        db.session.commit()
        left = differences()
        if left:
            sys.exit(f"reflow-accounts: {len(left)} keys still differ. Run `uses verify` again to see which.")
        click.echo(f"The totals of {len(differing)} keys were rebuilt from the log; all agree now.")
    elif differing:
        sys.exit(
            f"reflow-accounts: {len(differing)} keys differ. Nothing was changed. "
            "`reflow-accounts uses verify --repair` rebuilds totals, ranges and counts from the log."
        )
    else:
        click.echo(f"The totals of {count_keys()} keys agree with the log.")


def _described(one: Difference) -> Iterator[str]:
    if one.counted != one.logged:
        yield f"the total says {one.counted}, the log says {one.logged}"
    if one.last_counted_at != one.last_logged_at:
        yield f"last used {_time(one.last_counted_at)} by the total, {_time(one.last_logged_at)} by the log"
    if one.misled:
        yield f"the ranges, which lists of uses read, are wrong about {one.misled} uses"
    if one.miscounted:
        yield f"the counts by time, which charts read, are wrong about {one.miscounted} uses"


def _time(at: datetime | None) -> str:
    return rfc3339(at) or "never"


@uses.command("prune")
@click.option(
    "--older-than", type=click.IntRange(1, LARGEST_AGE), required=True, metavar="DAYS", help="Age in days."
)
@handle_errors
def prune_uses(older_than: int) -> None:
    """Remove old uses from the log and from charts; the totals of keys stay as they are."""
    when_unlocked(extend_with_uses)  # pruned uses stay in the hash chains
    removed = prune(now() - timedelta(days=older_than))
    click.echo(f"{removed} uses older than {older_than} days were removed; all totals were kept.")


@uses.command("roll-up")
@handle_errors
def roll_up_uses() -> None:
    """Roll up the newest uses into the totals now (serving processes do so regularly)."""
    roll_up()
    click.echo("All uses are rolled up.")
