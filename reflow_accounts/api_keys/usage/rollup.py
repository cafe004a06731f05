"""Append uses to the log, and roll it up in batches, into totals, ranges and counts by time for each key."""

# Recording a use is one append. Counters or indexes on every request would be expensive; batches
# cost a fraction. Queries stay exact because they also read the unrolled rows at the end of the log.

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from time import sleep
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    MetaData,
    Select,
    Table,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    true,
    update,
)
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql import quoted_name

from reflow_accounts.api_keys.models import QuarterCount, RollupCursor, UsageRange, UsageTotal, Use
from reflow_accounts.api_keys.usage.daily_counts import accepted_uses, quarter_of, refused_uses
from reflow_accounts.connections import newest_settled_id
from reflow_accounts.database import db, greatest, lock_cursor, upsert
from reflow_accounts.database_errors import describe

# Uses in a batch, and approximately the maximum of unrolled rows that queries read.
ROLL_UP_EVERY = 8192
# Maximum uses rolled up in one transaction.
LARGEST_ROLL_UP = 16_384
# On SQLite, also the approximate number of keys and quarters of an hour in one transaction: all other writers wait
# while it writes a row for each. A low maximum of uses would write the rows of the same few keys again and again.
KEYS_AT_ONCE = 1000
# Pause between two transactions, for waiting writers of SQLite, which retry every millisecond.
PAUSE_S = 0.003

_logger = logging.getLogger(__name__)


class NewUse(NamedTuple):
    """A use to append; `outcome` is "accepted" or the error code of the response."""

    key_id: int
    at: datetime
    method: str
    path: str
    status: int
    outcome: str
    address: str
    user_agent: str


def record(use: NewUse) -> int:
    """Append a use in the transaction of the session and return its id."""
    number: int = db.session.execute(insert(Use).values(use._asdict()).returning(Use.id)).scalar_one()
    return number


def temporary_table(name: str, columns: Mapping[str, Any], *, key: Collection[str]) -> Table:
    """Return a temporary table of SQLite with these columns; `key` names its primary key."""
    return Table(
        name,
        MetaData(schema=quoted_name("temp", quote=False)),
        *(
            Column(column, expression.type, primary_key=column in key, autoincrement=False)
            for column, expression in columns.items()
        ),
        sqlite_with_rowid=False,
    )


# One row for each key and quarter of an hour.
_SUM_COLUMNS: dict[str, ColumnElement[Any]] = {
    "key_id": Use.key_id.expression,
    "quarter": quarter_of(Use.at),
    "accepted": accepted_uses,
    "refused": refused_uses,
    "count": func.count(),
    "first_id": func.min(Use.id),
    "last_id": func.max(Use.id),
    "first_at": func.min(Use.at),
    "last_at": func.max(Use.at),
}
# The sums of a batch on SQLite, computed before the transaction, in the order of the tables they are added to.
_SUMS = temporary_table("sums", _SUM_COLUMNS, key=["key_id", "quarter"])

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
    """Roll up after a request; only log a failure."""
    try:
        roll_up()
    except Exception as error:  # the use is recorded and counted anyway
        _logger.error("the log of uses could not be rolled up: %s", describe(error))


def roll_up() -> None:
    """Roll up every committed use.

    Concurrent processes lock the cursor in turn, so that each use is rolled up once.
    """
    newest, at_once = newest_settled_id(db.engine, Use), LARGEST_ROLL_UP
    if db.engine.dialect.name == "sqlite":
        at_once = min(at_once, 2 * KEYS_AT_ONCE)
    while True:
        with db.engine.begin() as connection:
            upto, at_once = _roll_up_next(connection, newest, at_once)
        if upto >= newest:
            return
        sleep(PAUSE_S)


class Cursors(NamedTuple):
    """The last use in totals and ranges, and the last use in the counts by time."""

    totals: int
    counts: int


def _roll_up_next(connection: Connection, newest: int, at_once: int) -> tuple[int, int]:
    """Roll up `at_once` uses, up to the id `newest`; return the cursor, and how many to roll up next.

    On SQLite, other writers wait while the sums are written, not while they are computed. If there are too many
    sums, or another process was faster, nothing is written.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    cursors = read_cursors(connection) if is_sqlite else lock_cursors(connection)
    cursor = min(cursors)
    # The counts are behind the totals only after an upgrade.
    upto = min(newest, cursor + at_once, cursors.totals if cursors.counts < cursors.totals else newest)
    if upto <= cursor:
        return cursor, at_once
    sums: FromClause
    if is_sqlite:
        sums = _SUMS
        rows = fill_table(connection, _SUMS, _sums_of(Use.id > cursor, Use.id <= upto))
        at_once = min(LARGEST_ROLL_UP, max(1, (upto - cursor) * KEYS_AT_ONCE // max(rows, 1)))
        if rows > 2 * KEYS_AT_ONCE or lock_cursors(connection) != cursors:
            return cursor, at_once
    else:
        sums = _sums_of(Use.id > cursor, Use.id <= upto).subquery()
    if upto > cursors.totals:
        _add_to_totals(connection, sums)
        _add_ranges(connection, sums, upto)
    _add_to_counts(connection, sums)
    connection.execute(update(RollupCursor).values(upto=max(upto, cursors.totals), counted_upto=upto))
    return upto, at_once


def lock_cursors(connection: Connection) -> Cursors:
    """Lock the cursors against other roll-ups and pruning until the transaction ends, and return them."""
    lock_cursor(connection, RollupCursor, upto=0)
    return read_cursors(connection)


def read_cursors(connection: Connection) -> Cursors:
    """Return the cursors without a lock; they only grow."""
    query = select(RollupCursor.upto, RollupCursor.counted_upto)
    totals, counts = connection.execute(query).one_or_none() or (0, None)
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
    connection.execute(delete(UsageRange))
    connection.execute(delete(QuarterCount))
    low = (connection.scalar(select(func.min(Use.id))) or 1) - 1
    while low < cursor:
        upto = min(low + ROLL_UP_EVERY, cursor)
        sums = _sums_of(Use.id > low, Use.id <= upto).subquery()
        _add_to_totals(connection, sums)
        _add_ranges(connection, sums, upto)
        _add_to_counts(connection, sums)
        low = upto
    connection.execute(update(RollupCursor).values(counted_upto=cursor))


def _sums_of(*which: ColumnElement[bool]) -> Select[Any]:
    """Return the sums of these uses, with the columns of `_SUMS`."""
    sums = [expression.label(name) for name, expression in _SUM_COLUMNS.items()]
    return select(*sums).where(*which).group_by(_SUM_COLUMNS["key_id"], _SUM_COLUMNS["quarter"])


def fill_table(connection: Connection, table: Table, query: Select[Any]) -> int:
    """Replace the rows of a temporary table by those of `query`, without the writer lock; return their number."""
    empty_table(connection, table)
    return connection.execute(insert(table).from_select(table.columns.keys(), query)).rowcount


def empty_table(connection: Connection, table: Table) -> None:
    """Delete the rows of a temporary table, or create it."""
    # The rows of some thousand keys need more than SQLite's default page cache of 2 MB.
    connection.execute(text("PRAGMA cache_size = -16000"))
    connection.execute(CreateTable(table, if_not_exists=True))
    connection.execute(delete(table))


def _add_to_totals(connection: Connection, sums: FromClause) -> None:
    query = select(sums.c.key_id, func.sum(sums.c.count), literal(0), func.max(sums.c.last_at))
    columns = ["key_id", "count", "pruned", "last_used_at"]
    insertion = upsert(connection.dialect, UsageTotal).from_select(columns, query.group_by(sums.c.key_id))
    later = greatest(connection.dialect, UsageTotal.last_used_at, insertion.excluded.last_used_at)
    connection.execute(
        insertion.on_conflict_do_update(
            index_elements=[UsageTotal.key_id],
            set_={"count": UsageTotal.count + insertion.excluded.count, "last_used_at": later},
        )
    )


def _add_ranges(connection: Connection, sums: FromClause, upto: int) -> None:
    query = select(
        sums.c.key_id,
        literal(upto),
        func.sum(sums.c.count),
        func.min(sums.c.first_id),
        func.max(sums.c.last_id),
        func.min(sums.c.first_at),
        func.max(sums.c.last_at),
    ).group_by(sums.c.key_id)
    columns = ["key_id", "fold", "count", "first_id", "last_id", "first_at", "last_at"]
    connection.execute(insert(UsageRange).from_select(columns, query))


def subtract_from_counts(connection: Connection, *which: ColumnElement[bool]) -> None:
    """Subtract these uses from the counts by time. Each count exists, so that the insertions are updates."""
    _add_to_counts(connection, _sums_of(*which).subquery(), sign=-1)


def _add_to_counts(connection: Connection, sums: FromClause, *, sign: int = 1) -> None:
    columns = ["key_id", "quarter", "accepted", "refused"]
    # SQLite would read ON CONFLICT after a bare FROM as the condition of a join.
    query = select(*(sums.c[name] for name in columns)).where(true())
    insertion = upsert(connection.dialect, QuarterCount).from_select(columns, query)
    changed = {name: getattr(QuarterCount, name) + sign * insertion.excluded[name] for name in columns[2:]}
    connection.execute(
        insertion.on_conflict_do_update(
            index_elements=[QuarterCount.key_id, QuarterCount.quarter], set_=changed
        )
    )
