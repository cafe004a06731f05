"""Roll up the log of uses in batches, into totals, ranges and counts by time for each key."""

# Recording a use is one append (`record.py`). Counters or indexes on every request would be expensive; batches
# cost a fraction. Queries stay exact because they also read the unrolled rows at the end of the log.

import logging
from collections.abc import Callable
from time import sleep
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal, select, text, update

from reflow_accounts.api_keys.models import QuarterCount, RollupCursor, UsageRange, UsageTotal, Use
from reflow_accounts.api_keys.usage.daily_counts import accepted_uses, quarter_of, refused_uses
from reflow_accounts.database import db, upsert

# Uses in a batch; queries read at most about as many unrolled rows.
ROLL_UP_EVERY = 8192
# Uses rolled up in one transaction at most.
LARGEST_ROLL_UP = 16_384
# On SQLite also about so many keys, or quarters of an hour of keys: a transaction keeps all other writers waiting while
# it writes the rows of each, some 10 to 30 ms. Steps by uses alone would write the rows of the same few
# keys again and again.
KEYS_AT_ONCE = 1000
# Between two transactions, so that waiting writers of SQLite come in between: they retry every millisecond.
PAUSE_S = 0.003

_logger = logging.getLogger(__name__)

Batch = tuple[ColumnElement[bool], ...]


# Wakes the background job that rolls up; returns whether this process has one.
_wake_job: Callable[[], bool] | None = None


def set_waker(wake: Callable[[], bool]) -> None:
    """Set the function to call when a batch is full; if it returns False, the request rolls up itself."""
    global _wake_job
    _wake_job = wake


def is_roll_up_due(number: int) -> bool:
    """Return whether the request that appended use `number` must roll up: the batch is full and no job does it."""
    return number % ROLL_UP_EVERY == 0 and not (_wake_job and _wake_job())


def roll_up_or_log() -> None:
    """Roll up after a request; only log a failure, because the use is recorded and counted anyway."""
    try:
        roll_up()
    except Exception as error:  # the response is sent already
        _logger.error("the log of uses could not be rolled up: %s", type(error).__name__)


def roll_up() -> None:
    """Roll up every committed use.

    Concurrent processes lock the cursor in turn, so that each use is rolled up once.
    """
    newest = _newest_settled()
    while True:
        with db.engine.begin() as connection:
            upto = _roll_up_next(connection, newest)
        if upto >= newest:
            return
        sleep(PAUSE_S)


def _newest_settled() -> int:
    """Return an id below which no more uses can be committed.

    SQLite has one writer, so ids are committed in order. PostgreSQL assigns ids before the commit: the lock
    waits for running appends and is released at once.
    """
    with db.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE uses IN SHARE MODE"))
        return connection.scalar(select(func.max(Use.id))) or 0


class Cursors(NamedTuple):
    """The last use in totals and ranges, and the last use in the counts by time."""

    totals: int
    counts: int


def _roll_up_next(connection: Connection, newest: int) -> int:
    """Roll up the uses of one transaction, up to the id `newest`, and return the cursor."""
    cursors = lock_cursors(connection)
    cursor = min(cursors)
    upto = min(newest, cursor + LARGEST_ROLL_UP)
    if upto <= cursor:
        return cursor
    if connection.dialect.name == "sqlite":
        in_batch = (Use.id > cursor, Use.id <= upto)
        written = select(Use.key_id, quarter_of(Use.at)).where(*in_batch).distinct().subquery()
        rows = connection.scalar(select(func.count()).select_from(written)) or 0
        upto = cursor + max(1, (upto - cursor) * KEYS_AT_ONCE // max(rows, KEYS_AT_ONCE))
    if upto > cursors.totals:
        batch = (Use.id > cursors.totals, Use.id <= upto)
        _add_to_totals(connection, batch)
        _add_ranges(connection, batch, upto)
    if upto > cursors.counts:
        change_counts(connection, (Use.id > cursors.counts, Use.id <= upto))
    connection.execute(
        update(RollupCursor).values(upto=max(upto, cursors.totals), counted_upto=max(upto, cursors.counts))
    )
    return upto


def lock_cursors(connection: Connection) -> Cursors:
    """Lock the cursors against other roll-ups and pruning until the transaction ends, and return them."""
    first = upsert(connection.dialect, RollupCursor).values(id=1, upto=0)
    connection.execute(first.on_conflict_do_nothing())
    connection.execute(update(RollupCursor).values(upto=RollupCursor.upto))
    totals, counts = connection.execute(select(RollupCursor.upto, RollupCursor.counted_upto)).one()
    if counts is None:
        counts = (connection.scalar(select(func.min(Use.id))) or 1) - 1
    return Cursors(totals, counts)


def recount(connection: Connection) -> None:
    """Rebuild totals, ranges and counts by time from the log, in the caller's transaction.

    The numbers of pruned uses are kept. Appends continue meanwhile on PostgreSQL, and wait on SQLite.
    """
    cursor = lock_cursors(connection).totals
    connection.execute(delete(UsageTotal).where(UsageTotal.pruned == 0))
    connection.execute(update(UsageTotal).values(count=UsageTotal.pruned))
    _add_to_totals(connection, (Use.id <= cursor,))
    connection.execute(delete(UsageRange))
    connection.execute(delete(QuarterCount))
    low = (connection.scalar(select(func.min(Use.id))) or 1) - 1
    while low < cursor:
        upto = min(low + ROLL_UP_EVERY, cursor)
        batch = (Use.id > low, Use.id <= upto)
        _add_ranges(connection, batch, upto)
        change_counts(connection, batch)
        low = upto
    connection.execute(update(RollupCursor).values(counted_upto=cursor))


def _add_to_totals(connection: Connection, batch: Batch) -> None:
    found = select(Use.key_id, func.count(), literal(0), func.max(Use.at)).where(*batch).group_by(Use.key_id)
    columns = ["key_id", "count", "pruned", "last_used_at"]
    adding = upsert(connection.dialect, UsageTotal).from_select(columns, found)
    later_of = func.max if connection.dialect.name == "sqlite" else func.greatest
    later = later_of(UsageTotal.last_used_at, adding.excluded.last_used_at)
    connection.execute(
        adding.on_conflict_do_update(
            index_elements=[UsageTotal.key_id],
            set_={"count": UsageTotal.count + adding.excluded.count, "last_used_at": later},
        )
    )


def _add_ranges(connection: Connection, batch: Batch, upto: int) -> None:
    found = (
        select(
            Use.key_id,
            literal(upto),
            func.count(),
            func.min(Use.id),
            func.max(Use.id),
            func.min(Use.at),
            func.max(Use.at),
        )
        .where(*batch)
        .group_by(Use.key_id)
    )
    columns = ["key_id", "fold", "count", "first_id", "last_id", "first_at", "last_at"]
    connection.execute(insert(UsageRange).from_select(columns, found))


def change_counts(connection: Connection, batch: Batch, *, sign: int = 1) -> None:
    """Add the uses of `batch` to the counts by time; with `sign` -1 subtract them."""
    quarter = quarter_of(Use.at)
    found = (
        select(Use.key_id, quarter, accepted_uses, refused_uses).where(*batch).group_by(Use.key_id, quarter)
    )
    columns = ["key_id", "quarter", "accepted", "refused"]
    adding = upsert(connection.dialect, QuarterCount).from_select(columns, found)
    sums = {name: getattr(QuarterCount, name) + sign * adding.excluded[name] for name in columns[2:]}
    connection.execute(
        adding.on_conflict_do_update(index_elements=[QuarterCount.key_id, QuarterCount.quarter], set_=sums)
    )
