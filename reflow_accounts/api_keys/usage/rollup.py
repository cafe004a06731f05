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
# Uses rolled up in one transaction at most.
LARGEST_ROLL_UP = 16_384
# On SQLite also about so many keys: a transaction keeps all other writers waiting for as long as it takes to write
# the rows of each, some 10 to 30 ms. Steps by uses alone would write the rows of the same few keys again and again.
KEYS_AT_ONCE = 1000
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


def roll_up() -> None:
    """Roll up every use that is committed now.

    Several processes may roll up at once: they take turns at the cursor, and each use is rolled up once.
    """
    newest = _newest_settled()
    while True:
        with db.engine.begin() as connection:
            upto = _roll_up_next(connection, newest)
        if upto >= newest:
            return
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


def _roll_up_next(connection: Connection, newest: int) -> int:
    """Roll up as many uses as one transaction may, up to `newest`, and return where the cursor is then."""
    mark = take_turn(connection)
    upto = min(newest, mark + LARGEST_ROLL_UP)
    if upto <= mark:
        return mark
    if connection.dialect.name == "sqlite":
        keys_in = select(func.count(Use.key_id.distinct())).where(Use.id > mark, Use.id <= upto)
        keys = connection.scalar(keys_in) or 0
        upto = mark + max(1, (upto - mark) * KEYS_AT_ONCE // max(keys, KEYS_AT_ONCE))
    batch = (Use.id > mark, Use.id <= upto)
    _add_to_totals(connection, batch)
    _add_ranges(connection, batch, upto)
    connection.execute(update(RollupCursor).values(upto=upto))
    return upto


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
