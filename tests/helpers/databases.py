"""Applications on test databases, created by the real migrations and emptied between tests."""

from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from flask import Flask
from jinja2 import StrictUndefined, Undefined
from sqlalchemy import Connection, Table

from reflow_accounts import config
from reflow_accounts.app import create_app
from reflow_accounts.database import db
from tests.helpers.live_server import SECRET_KEY
from tests.helpers.page_client import PageClient


class NotPrinted(Undefined):
    """A template variable without a value: templates may ask for it, but printing it or looping over it is an error."""

    __str__ = StrictUndefined.__str__
    __iter__ = StrictUndefined.__iter__


# The statements that insert them.
Rows = list[str]


def application(instance: str, database_url: str) -> Flask:
    """Return an application with fast password hashing, for tests."""
    environ = {
        "REFLOW_INSTANCE": instance,
        "REFLOW_DATABASE_URL": database_url,
        "REFLOW_SECRET_KEY": SECRET_KEY,
        "REFLOW_PASSWORD_ROUNDS": "4",
    }
    app = create_app(config.load(environ))
    app.jinja_env.undefined = NotPrinted
    app.testing = True
    app.test_client_class = PageClient
    return app


def new_url(request: pytest.FixtureRequest, name: str, folder: Path) -> str:
    """Return the URL of an empty database of the kind `request.param`, on PostgreSQL with this name."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / f'{name}.db'}"
    url: str = request.getfixturevalue("postgres").make_database(name)
    return url


def migrate(app: Flask) -> None:
    with app.app_context():
        flask_migrate.upgrade()


def empty(app: Flask) -> None:
    """Delete every row of every table."""
    names = [f'"{table.name}"' for table in reversed(db.metadata.sorted_tables)]
    with app.app_context(), db.engine.begin() as connection:
        _execute(connection, [f"DELETE FROM {name}" for name in names])


def rows(app: Flask) -> Rows:
    """Return every row of every table, for `fill`."""
    with app.app_context(), db.engine.connect() as connection:
        return [statement for table in db.metadata.sorted_tables for statement in _insert(connection, table)]


def fill(app: Flask, rows: Rows) -> None:
    """Insert the rows into empty tables."""
    with app.app_context(), db.engine.begin() as connection:
        _execute(connection, rows)


def _insert(connection: Connection, table: Table) -> Iterator[str]:
    """Yield the statement that inserts the rows of the table, if there are any."""
    columns = [f'"{column.name}"' for column in table.columns]
    quoted = "quote({})" if _is_sqlite(connection) else "quote_nullable({}::text)"
    query = f'SELECT {", ".join(map(quoted.format, columns))} FROM "{table.name}"'
    values = ", ".join(f"({', '.join(row)})" for row in connection.exec_driver_sql(query))
    if values:
        yield f'INSERT INTO "{table.name}" ({", ".join(columns)}) VALUES {values}'


def _execute(connection: Connection, statements: list[str]) -> None:
    """Execute statements that are text, because SQLAlchemy would need longer for them than the database."""
    if not _is_sqlite(connection):
        # In one message, without the checks of foreign keys: a third of the time of a short test otherwise.
        statements = [
            "; ".join(["SET LOCAL session_replication_role = replica", *statements]).replace("%", "%%")
        ]
    for statement in statements:
        connection.exec_driver_sql(statement)


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def close(app: Flask) -> None:
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
