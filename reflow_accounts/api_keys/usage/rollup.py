"""Roll up the log of uses in batches, into a total for each key and the ranges of its uses."""

# Recording a use is one append (`record.py`). Counters or indexes on every request would be expensive; batches
# cost a fraction. Queries stay exact because they also read the unrolled rows at the end of the log.

import logging
from collections.abc import Callable
from time import sleep

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal, select, text, update

from reflow_accounts.api_keys.models import RollupCursor, UsageRange, UsageTotal, Use
from reflow_accounts.database import db, upsert

# Uses in a batch; queries read at most about as many unrolled rows.
ROLL_UP_EVERY = 8192
# Uses rolled up in one transaction at most.
LARGEST_ROLL_UP = 16_384
# On SQLite also about so many keys: a transaction keeps all other writers waiting for as long as it takes to write
# the rows of each, some 10 to 30 ms. Steps by uses alone would write the rows of the same few keys again and again.
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


def _roll_up_next(connection: Connection, newest: int) -> int:
    """Roll up the uses of one transaction, up to the id `newest`, and return the cursor."""
    cursor = lock_cursor(connection)
    upto = min(newest, cursor + LARGEST_ROLL_UP)
    if upto <= cursor:
        return cursor
    if connection.dialect.name == "sqlite":
        keys_in = select(func.count(Use.key_id.distinct())).where(Use.id > cursor, Use.id <= upto)
        keys = connection.scalar(keys_in) or 0
        upto = cursor + max(1, (upto - cursor) * KEYS_AT_ONCE // max(keys, KEYS_AT_ONCE))
    batch = (Use.id > cursor, Use.id <= upto)
    _add_to_totals(connection, batch)
    _add_ranges(connection, batch, upto)
    connection.execute(update(RollupCursor).values(upto=upto))
    return upto


def lock_cursor(connection: Connection) -> int:
    """Lock the cursor against other roll-ups and pruning until the transaction ends, and return it."""
    first = upsert(connection.dialect, RollupCursor).values(id=1, upto=0)
    connection.execute(first.on_conflict_do_nothing())
    connection.execute(update(RollupCursor).values(upto=RollupCursor.upto))
    return connection.scalar(select(RollupCursor.upto)) or 0


def recount(connection: Connection) -> None:
    """Rebuild totals and ranges from the log, in the caller's transaction.

    The numbers of pruned uses are kept. Appends continue meanwhile on PostgreSQL, and wait on SQLite.
    """
    cursor = lock_cursor(connection)
    connection.execute(delete(UsageTotal).where(UsageTotal.pruned == 0))
    connection.execute(update(UsageTotal).values(count=UsageTotal.pruned))
    _add_to_totals(connection, (Use.id <= cursor,))
    connection.execute(delete(UsageRange))
    low = (connection.scalar(select(func.min(Use.id))) or 1) - 1
    while low < cursor:
        upto = min(low + ROLL_UP_EVERY, cursor)
        _add_ranges(connection, (Use.id > low, Use.id <= upto), upto)
        low = upto


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
