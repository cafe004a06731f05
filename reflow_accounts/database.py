"""The extensions, made here and bound in app.py, and how each database is talked to."""

import secrets
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import BigInteger, DateTime, Integer, MetaData, event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from reflow_accounts import postgresql, sqlite_file
from reflow_accounts.contract import ALPHABET

# A statement that waits longer for the writer fails; a request then answers 503.
BUSY_TIMEOUT_MS = 5_000
_ID_LENGTH = 16


class Base(DeclarativeBase):
    """Every constraint has a name that migrations can speak of."""

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
csrf = CSRFProtect()

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model

# SQLite gives automatic numbers only to INTEGER keys.
Key = BigInteger().with_variant(Integer, "sqlite")


class UTCDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite drops the zone, so it is put back here; naive times are refused."""

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


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


def public_id(kind: str) -> Callable[[], str]:
    """Return a column default that makes ids such as `key_4f…`: a prefix for the kind and 95 random bits.

    Public ids are opaque: sequence numbers never leave the database.
    """

    def make() -> str:
        return f"{kind}_" + "".join(secrets.choice(ALPHABET) for _ in range(_ID_LENGTH))

    return make


@event.listens_for(Engine, "connect")
def _prepare(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        _prepare_sqlite(connection)
    elif isinstance(connection, psycopg.Connection):
        _prepare_postgresql(connection)


def _prepare_sqlite(connection: sqlite3.Connection) -> None:
    # The driver must not begin transactions by itself: `_begin_to_write` does.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _prepare_postgresql(connection: psycopg.Connection) -> None:
    # In a transaction it would be undone when that is rolled back.
    connection.autocommit = True
    connection.execute(postgresql.WAIT_FOR_DISK)
    connection.autocommit = False


def set_synchronous(engine: Engine, mode: str) -> None:
    """Have every SQLite connection of `engine` wait at a commit as `mode` (NORMAL or FULL) says."""

    @event.listens_for(engine, "connect")
    def wait(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute(f"PRAGMA synchronous = {mode}")


def keep_to_file(engine: Engine) -> None:
    """Have an SQLite `engine` never make its file, and let go of one that another was put in place of.

    Without a file, or before `make_file`, it raises OperationalError, as a database that is away does.
    """
    if engine.dialect.name != "sqlite":
        return
    path = str(engine.url.database)

    @event.listens_for(engine, "do_connect")
    def find(_dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        # Before it is opened: what takes its place in between is seen at the next checkout.
        record.info["file"] = sqlite_file.identity_of(path)
        arguments[0] = sqlite_file.address_of(path)
        options["uri"] = True

    @event.listens_for(engine, "checkout")
    def look(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["file"] != sqlite_file.identity_of(path):
            raise DisconnectionError


def give_up_on_silence(engine: Engine) -> None:
    """Have a PostgreSQL `engine` make connections with timeouts (`postgresql.Connection`)."""
    if engine.dialect.name != "postgresql":
        return

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        return postgresql.Connection.connect(*arguments, **(postgresql.CONNECTION_OPTIONS | options))


def make_file(engine: Engine) -> None:
    """Make the file of an SQLite database that is about to be migrated, when there is none."""
    if engine.dialect.name == "sqlite":
        sqlite_file.make(str(engine.url.database))


@event.listens_for(Engine, "before_cursor_execute")
def _begin_to_write(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    """Begin an SQLite transaction at the first write, as a writer.

    Until then every statement reads what is committed, like PostgreSQL's READ COMMITTED. A transaction
    that begins by reading could not be made a writer once another process has written (SQLITE_BUSY at
    once, whatever the timeout); one that begins IMMEDIATE waits for its turn.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection) or driver.in_transaction:
        return
    if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA", "BEGIN")):
        driver.execute("BEGIN IMMEDIATE")
