"""Roll up the log of uses, batch by batch, into a total for each key and a table of where its uses lie."""

# A use costs one append (`record.py`). What a page needs (how often, when last, which requests) would cost an
# index or a counter on every request; rolled up in batches it costs a fraction, and stays exact, because what
# is not rolled up yet is a short tail of the log that every question reads as well.

import logging
from collections.abc import Callable
from time import sleep
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from reflow_accounts.api_keys.models import RollupCursor, UsageRange, UsageTotal, Use
from reflow_accounts.database import Model, db

# How many uses make a batch; what questions read beside the totals is about as long.
ROLL_UP_EVERY = 8192
# Uses rolled up in one transaction. On SQLite each one keeps all other writers waiting, about 10 ms for 1,024
# uses of as many keys; PostgreSQL's writers do not wait, and larger batches update a total less often.
LARGEST_ROLL_UP = {"sqlite": 1024, "postgresql": 16_384}
# Between two transactions, so that waiting writers of SQLite come in between: they retry every millisecond.
PAUSE_S = 0.003

_logger = logging.getLogger(__name__)

Batch = tuple[ColumnElement[bool], ...]


# Asks whoever rolls up beside the requests of this process to do so now; says whether there is somebody.
_ask_to_roll_up: Callable[[], bool] | None = None


def ask_when_due(ask: Callable[[], bool]) -> None:
    """Have `ask` called when a batch is full; where it returns False, the request rolls up by itself."""
    global _ask_to_roll_up
    _ask_to_roll_up = ask


def is_roll_up_due(number: int) -> bool:
    """Say whether the request that appended use `number` must roll up: the batch is full, and nobody else will."""
    return number % ROLL_UP_EVERY == 0 and not (_ask_to_roll_up and _ask_to_roll_up())


def roll_up_or_log() -> None:
    """Roll up on behalf of a request: its use is recorded and counts, rolled up or not, so a failure is for the log."""
    try:
        roll_up()
    except Exception as error:  # the request has its response already
        _logger.error("the log of uses could not be rolled up: %s", type(error).__name__)


def roll_up() -> int:
    """Roll up every use that is committed now and return how far that moved the cursor.

    Several processes may roll up at once: they take turns at the cursor, and each use is rolled up once.
    """
    newest, rolled_up = _newest_settled(), 0
    while True:
        with db.engine.begin() as connection:
            count, upto = _roll_up_next(connection, newest)
        rolled_up += count
        if upto >= newest:
            return rolled_up
        sleep(PAUSE_S)


def _newest_settled() -> int:
    """Return a number up to which no use can appear any more.

    SQLite has one writer, so numbers appear in order. PostgreSQL gives numbers before it commits: the
    lock waits for the appends under way, and lets the next ones go on at once.
    """
    with db.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE uses IN SHARE MODE"))
        return connection.scalar(select(func.max(Use.id))) or 0


def _roll_up_next(connection: Connection, newest: int) -> tuple[int, int]:
    """Roll up one transaction's worth of uses; return how many numbers that were, and where the cursor is."""
    mark = take_turn(connection)
    upto = min(newest, mark + LARGEST_ROLL_UP[connection.dialect.name])
    if upto <= mark:
        return 0, mark
    batch = (Use.id > mark, Use.id <= upto)
    _add_to_totals(connection, batch)
    _add_ranges(connection, batch, upto)
    connection.execute(update(RollupCursor).values(upto=upto))
    return upto - mark, upto


def take_turn(connection: Connection) -> int:
    """Keep everybody else from rolling up and pruning until the transaction ends; return the cursor."""
    first = _dialect_insert(connection, RollupCursor).values(id=1, upto=0)
    connection.execute(first.on_conflict_do_nothing())
    connection.execute(update(RollupCursor).values(upto=RollupCursor.upto))
    return connection.scalar(select(RollupCursor.upto)) or 0


def recount(connection: Connection) -> None:
    """Make totals and ranges anew from the log, in the caller's transaction.

    What was pruned cannot be counted again: each total keeps its word of that. Who appends goes on, on
    PostgreSQL at once, on SQLite when the transaction ends.
    """
    mark = take_turn(connection)
    connection.execute(delete(UsageTotal).where(UsageTotal.pruned == 0))
    connection.execute(update(UsageTotal).values(count=UsageTotal.pruned))
    _add_to_totals(connection, (Use.id <= mark,))
    connection.execute(delete(UsageRange))
    low = (connection.scalar(select(func.min(Use.id))) or 1) - 1
    while low < mark:
        upto = min(low + ROLL_UP_EVERY, mark)
        _add_ranges(connection, (Use.id > low, Use.id <= upto), upto)
        low = upto


def _dialect_insert(connection: Connection, table: type[Model]) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def _add_to_totals(connection: Connection, batch: Batch) -> None:
    found = select(Use.key_id, func.count(), literal(0), func.max(Use.at)).where(*batch).group_by(Use.key_id)
    columns = ["key_id", "count", "pruned", "last_used_at"]
    adding = _dialect_insert(connection, UsageTotal).from_select(columns, found)
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
