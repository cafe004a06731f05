"""Retention of the log of uses: monthly partitions on PostgreSQL, and pruning that keeps the totals."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from time import sleep
from typing import TypeVar

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Engine,
    delete,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.exc import OperationalError

from reflow_accounts.api_keys.models import QuarterCount, UsageRange, UsageTotal, Use
from reflow_accounts.api_keys.usage.rollup import (
    KEYS_AT_ONCE,
    PAUSE_S,
    lock_cursors,
    read_cursors,
    roll_up,
    subtract_from_counts,
)
from reflow_accounts.connections import lock_table
from reflow_accounts.database import db, now, upsert
from reflow_accounts.database_errors import is_locked
from reflow_accounts.errors import Unavailable

MONTHS_AHEAD = 2
# Small batches, so that other writers on SQLite wait only briefly: each writes up to two rows for each use.
ROWS_AT_ONCE = 1_000
# Advisory lock of transactions that create or drop a partition; the number is arbitrary.
_LOCK = 7_264_001
# How often, and after which pause, pruning tries again while another session locks the log.
_TRIES, _PAUSE_S = 60, 10.0
_PART = re.compile(r"uses_(other|\d{4}_\d{2})")

_logger = logging.getLogger(__name__)
Result = TypeVar("Result")


def ensure_months() -> None:
    """Create the PostgreSQL partitions of the log for this month and the next two.

    Uses of a month without a partition are in the default partition and move when theirs is created. While another
    session reads the log, nothing is created: there is a month's time for it.
    """
    try:
        make_months(db.engine, now(), MONTHS_AHEAD + 1)
    except OperationalError as error:
        if not is_locked(error):
            raise
        _logger.warning("no partition was created, because another session uses the log of uses")


def make_months(engine: Engine, start: datetime, number: int) -> None:
    """Create the missing partitions of `number` months from `start` on; nothing on SQLite."""
    if engine.dialect.name != "postgresql":
        return
    for first, after in _months(start, number):
        with engine.begin() as connection:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            # DDL takes no parameters; these names and times contain only digits.
            name = f"uses_{first:%Y_%m}"
            low, high = f"'{first:%Y-%m-%d} 00:00+00'", f"'{after:%Y-%m-%d} 00:00+00'"
            if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}):
                continue
            lock_table(connection, "uses", "ACCESS EXCLUSIVE")
            connection.execute(
                text(f"CREATE TABLE {name} (LIKE uses INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            )
            connection.execute(
                text(
                    f"WITH moved AS (DELETE FROM uses_other WHERE at >= {low} AND at < {high} RETURNING *) "  # noqa: S608
                    f"INSERT INTO {name} SELECT * FROM moved"
                )
            )
            connection.execute(
                text(f"ALTER TABLE uses ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})")
            )


def prune(before: datetime) -> int:
    """Delete uses older than `before` (aware) from the log and return how many; totals stay unchanged.

    The newest use stays. On PostgreSQL only whole months are dropped: a month stays until all of it is older. Raises
    Unavailable if another session uses the log for ten minutes.
    """
    when_unlocked(roll_up)
    removed = 0
    if db.engine.dialect.name == "postgresql":
        ensure_months()
        months = text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = 'uses'::regclass AND c.relname ~ '^uses_[0-9]{4}_[0-9]{2}$' ORDER BY 1"
        )
        with db.engine.connect() as connection:
            names = list(connection.scalars(months))
        removed = sum(when_unlocked(partial(_drop_month, name, before)) for name in names)
    while batch := _delete_batch(before):
        removed += batch
        sleep(PAUSE_S)
    _delete_empty(before)
    return removed


def is_part(table: str) -> bool:
    """Return whether a table is a PostgreSQL partition of the log; partitions have no model."""
    return _PART.fullmatch(table) is not None


def _months(start: datetime, number: int) -> Iterator[tuple[datetime, datetime]]:
    """Yield the start of each of `number` months from `start` on, with the start of the next month."""
    first = datetime(start.year, start.month, 1, tzinfo=UTC)
    for _ in range(number):
        after = (first + timedelta(days=32)).replace(day=1)
        yield first, after
        first = after


def when_unlocked(action: Callable[[], Result]) -> Result:
    """Return the result of `action`, which needs a lock on the log of uses.

    It is called again while another session holds a lock. Raises Unavailable after ten minutes.
    """
    for _ in range(_TRIES):
        try:
            return action()
        except OperationalError as error:
            if not is_locked(error):
                raise
        sleep(_PAUSE_S)
    raise Unavailable(
        "another session, such as a backup, has been using the log of uses for ten minutes. "
        "Run the command again when it has ended."
    )


def _drop_month(name: str, before: datetime) -> int:
    """Drop the partition of a month if all of it is older and rolled up; its uses stay in the totals.

    The newest use of the log stays with its partition: a copy of an empty log would number new uses from 1 again.
    """
    year, month = int(name[5:9]), int(name[10:12])
    after = next(_months(datetime(year, month, 1, tzinfo=UTC), 1))[1]
    if after > before:
        return 0
    # While another session reads the log, the uses need not be counted.
    with db.engine.begin() as connection:
        lock_table(connection, "uses", "ACCESS EXCLUSIVE")
    with db.engine.begin() as connection:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        cursor = min(lock_cursors(connection))
        newest = connection.scalar(text(f"SELECT max(id) FROM {name}")) or 0  # noqa: S608
        if newest > cursor:
            return 0
        in_month = [Use.at >= datetime(year, month, 1, tzinfo=UTC), Use.at < after]
        has_newest = newest == connection.scalar(select(func.max(Use.id)))
        if has_newest:
            in_month.append(Use.id < newest)
        removed = _count_as_pruned(connection, in_month)
        if has_newest:
            connection.execute(delete(Use).where(*in_month))
            return removed
        lock_table(connection, "uses", "ACCESS EXCLUSIVE")
        connection.execute(text(f"ALTER TABLE uses DETACH PARTITION {name}"))
        connection.execute(text(f"DROP TABLE {name}"))
    return removed


def _delete_batch(before: datetime) -> int:
    """Delete up to `ROWS_AT_ONCE` old uses; on PostgreSQL those in the default partition."""
    with db.engine.begin() as connection:
        # Read before the lock, because the last call reads the whole log.
        cursor = min(read_cursors(connection))
        part = [Use.at < before]
        if connection.dialect.name == "postgresql":
            part.append(literal_column("uses.tableoid = 'uses_other'::regclass", Boolean))
        # The newest row stays, because SQLite would reuse its id.
        old = (*part, Use.id <= cursor, Use.id < select(func.max(Use.id)).scalar_subquery())
        batch = select(Use.id).where(*old).order_by(Use.id).limit(ROWS_AT_ONCE).subquery()
        last = connection.scalar(select(func.max(batch.c.id)))
        if last is None:
            return 0
        lock_cursors(connection)
        # No other limit of the id: SQLite would read the log up to any one of them.
        some = (*part, Use.id <= last)
        removed = _count_as_pruned(connection, some)
        connection.execute(delete(Use).where(*some))
    return removed


def _delete_empty(before: datetime) -> None:
    """Delete the ranges and counts that pruning left without uses, of some keys in each transaction."""
    with db.engine.connect() as connection:
        last_key = connection.scalar(select(func.max(UsageTotal.key_id))) or 0
    first_left = select(func.coalesce(func.min(Use.id), 0)).scalar_subquery()
    for key_id in range(0, last_key + 1, KEYS_AT_ONCE):
        last = key_id + KEYS_AT_ONCE - 1
        with db.engine.begin() as connection:
            lock_cursors(connection)
            ranges = delete(UsageRange).where(UsageRange.key_id.between(key_id, last))
            connection.execute(ranges.where(UsageRange.last_at < before, UsageRange.last_id < first_left))
            counts = delete(QuarterCount).where(QuarterCount.key_id.between(key_id, last))
            connection.execute(counts.where(QuarterCount.accepted + QuarterCount.refused == 0))
        sleep(PAUSE_S)


def _count_as_pruned(connection: Connection, which: Sequence[ColumnElement[bool]]) -> int:
    """Add these rolled-up uses to the `pruned` number of each total, and subtract them from the counts by time.

    Returns the number of these uses. Each row to change exists, so that the insertions are updates.
    """
    pruned = select(Use.key_id, literal(0), func.count(), func.max(Use.at)).where(*which).group_by(Use.key_id)
    totals = upsert(connection.dialect, UsageTotal).from_select(
        ["key_id", "count", "pruned", "last_used_at"], pruned
    )
    connection.execute(
        totals.on_conflict_do_update(
            index_elements=[UsageTotal.key_id], set_={"pruned": UsageTotal.pruned + totals.excluded.pruned}
        )
    )
    subtract_from_counts(connection, *which)
    return connection.scalar(select(func.count()).select_from(Use).where(*which)) or 0
