"""Flask extensions, column types, and the setup of SQLite and PostgreSQL connections."""

import secrets
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Executable,
    Index,
    Integer,
    MetaData,
    Select,
    bindparam,
    event,
    func,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import CursorResult, Dialect, Engine
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from reflow_accounts import connections
from reflow_accounts.contract import ALPHABET
from reflow_accounts.errors import NotFound

# A statement that waits longer for SQLite's writer fails, and its request is answered with 503.
BUSY_TIMEOUT_MS = 5_000
_ID_LENGTH = 16
Row = TypeVar("Row")
# Length of the pause after a batch, in multiples of the batch's duration. During a batch, requests in the same process
# wait for Python's interpreter lock, and requests of every process for the writer.
PAUSE_PER_BATCH = 3.0
# Longer than the millisecond after which waiting writers of SQLite retry.
SHORTEST_PAUSE_S = 0.003


class Base(DeclarativeBase):
    """Base of models; constraints get names for migrations."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)
migrate = Migrate()
login_manager = LoginManager()

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model

# SQLite autoincrements only INTEGER keys.
Key = BigInteger().with_variant(Integer, "sqlite")


class UTCDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. Restores the zone, which SQLite drops; refuses naive times."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of the rows that meet the condition `where`, which is SQL."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def public_id(kind: str) -> Callable[[], str]:
    """Return a column default that creates ids such as `key_4f…`: a prefix for the kind and 95 random bits.

    Public ids are opaque: sequence numbers never leave the database.
    """

    def make() -> str:
        return f"{kind}_" + "".join(secrets.choice(ALPHABET) for _ in range(_ID_LENGTH))

    return make


@event.listens_for(Engine, "connect")
def _prepare(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        # `_begin_to_write` begins transactions, not the driver.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY:  # a backup opened for a check
                raise
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {connections.SQLITE_CHECKPOINT_PAGES}")
    elif isinstance(connection, psycopg.Connection):
        # Outside a transaction, because a rollback would undo the setting.
        connection.autocommit = True
        connection.execute(connections.WAIT_FOR_DISK)
        connection.autocommit = False


def set_synchronous(engine: Engine, mode: str) -> None:
    """Set `PRAGMA synchronous` of all SQLite connections of `engine` to `mode` (NORMAL or FULL)."""

    @event.listens_for(engine, "connect")
    def set_mode(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute(f"PRAGMA synchronous = {mode}")


def keep_to_file(engine: Engine) -> None:
    """Make an SQLite `engine` never create its file, and reconnect when the file was replaced.

    Without a file, connecting raises OperationalError, as for an unavailable database.
    """
    if engine.dialect.name != "sqlite":
        return
    path = str(engine.url.database)

    @event.listens_for(engine, "do_connect")
    def set_arguments(_dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        # Read before opening: a replacement in between is detected at the next checkout.
        record.info["file"] = connections.file_identity_of(path)
        arguments[0] = connections.sqlite_uri_of(path)
        options["uri"] = True

    @event.listens_for(engine, "checkout")
    def check_file(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["file"] != connections.file_identity_of(path):
            raise DisconnectionError


def give_up_on_silence(engine: Engine) -> None:
    """Make a PostgreSQL `engine` use connections with timeouts (`connections.PostgresConnection`)."""
    if engine.dialect.name != "postgresql":
        return

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        return connections.PostgresConnection.connect(*arguments, **(connections.POSTGRES_OPTIONS | options))


def make_file(engine: Engine) -> None:
    """Create the file of an SQLite database before its migration, unless it exists; only its owner can read it.

    SQLite gives its -wal and -shm files the same mode. Errors are ignored: opening the file reports them.
    """
    if engine.dialect.name == "sqlite":
        with suppress(OSError):
            Path(str(engine.url.database)).touch(0o600)


# Reads, and writes to temporary tables, which belong to one connection.
_WITHOUT_THE_WRITER = (
    "SELECT",
    "PRAGMA",
    "BEGIN",
    "CREATE TABLE IF NOT EXISTS TEMP.",
    "DELETE FROM TEMP.",
    "INSERT INTO TEMP.",
)


@event.listens_for(Engine, "before_cursor_execute")
def _begin_to_write(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    """Begin an SQLite transaction as a writer at the first write.

    Until then each statement reads committed data, like READ COMMITTED on PostgreSQL. A transaction that
    begins with a read fails with SQLITE_BUSY, whatever the timeout, when it writes after another process;
    BEGIN IMMEDIATE waits instead.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection) or driver.in_transaction:
        return
    if not statement.lstrip().upper().startswith(_WITHOUT_THE_WRITER):
        driver.execute("BEGIN IMMEDIATE")


def affected_rows(statement: Executable) -> int:
    """Execute an INSERT, UPDATE or DELETE in the session; return the number of rows it matched."""
    result = db.session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount


def require_row(query: Select[Row], missing: str) -> Row:
    """Return the row of `query`. Raises NotFound with the sentence `missing` if there is none."""
    row = db.session.scalar(query)
    if row is None:
        raise NotFound(missing)
    return row


def reload_rows(query: Select[Row]) -> Sequence[Row]:
    """Return rows reloaded from the database, replacing values that the session read before it waited for a lock."""
    return db.session.scalars(query.execution_options(populate_existing=True)).all()


def lock_cursor(connection: Connection, cursor: type[Model], **start: int) -> None:
    """Lock the only row of a table against other processes until the transaction ends; `start` are its first values."""
    connection.execute(upsert(connection.dialect, cursor).values(id=1, **start).on_conflict_do_nothing())
    connection.execute(update(cursor).values(id=1))


def upsert(dialect: Dialect, table: type[Model]) -> Any:
    """Return an INSERT into `table` with `on_conflict_do_update` and `on_conflict_do_nothing`.

    SQLAlchemy has one such construct for each dialect, without a common type.
    """
    return (sqlite_insert if dialect.name == "sqlite" else postgresql_insert)(table)


def is_any_of(column: Any, numbers: Collection[int]) -> ColumnElement[bool]:
    """Return the condition that a column with row ids is one of these.

    They are part of the text, because PostgreSQL takes 65,535 parameters at most.
    """
    values = bindparam(None, list(numbers), type_=BigInteger, expanding=True, literal_execute=True)
    condition: ColumnElement[bool] = column.in_(values)
    return condition


def greatest(dialect: Dialect, *values: Any) -> Any:
    """Return an SQL expression for the greatest of these values, none of which is NULL."""
    return (func.max if dialect.name == "sqlite" else func.greatest)(*values)


class Batch(Enum):
    """Result of a batch."""

    ADDED = auto()
    # Nothing is left to add.
    DONE = auto()
    # Another process added the batch and continues.
    TAKEN = auto()


def run_batches(add_next: Callable[[], Batch], is_stopping: Callable[[], bool]) -> Batch:
    """Call `add_next`, with pauses, until it has added everything; return the last result.

    The result is ADDED if `is_stopping` ended the work early. TAKEN also ends it: two processes that read the same
    batches would delay requests twice as long.
    """
    result = Batch.ADDED
    while result is Batch.ADDED and not is_stopping():
        began = time.monotonic()
        result = add_next()
        if result is Batch.ADDED:
            time.sleep(max(SHORTEST_PAUSE_S, PAUSE_PER_BATCH * (time.monotonic() - began)))
    return result
