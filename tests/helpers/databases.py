"""Applications on test databases, created by the real migrations and emptied between tests."""

from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from jinja2 import StrictUndefined, Undefined
from sqlalchemy import Table, select

from reflow_accounts import config
from reflow_accounts.app import create_app
from reflow_accounts.database import db
from tests.helpers.live_server import SECRET_KEY
from tests.helpers.page_client import PageClient


class NotPrinted(Undefined):
    """A template variable without a value: templates may ask for it, but printing it or looping over it is an error."""

    __str__ = StrictUndefined.__str__
    __iter__ = StrictUndefined.__iter__


Rows = list[tuple[Table, list[dict[str, Any]]]]


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
    with app.app_context(), db.engine.begin() as connection:
        # As text, because building these statements with SQLAlchemy takes longer than executing them.
        for table in reversed(db.metadata.sorted_tables):
            connection.exec_driver_sql(f'DELETE FROM "{table.name}"')


def rows(app: Flask) -> Rows:
    """Return every row of every table, for `fill`."""
    with app.app_context(), db.engine.connect() as connection:
        return [
            (table, [dict(row) for row in connection.execute(select(table)).mappings()])
            for table in db.metadata.sorted_tables
        ]


def fill(app: Flask, rows: Rows) -> None:
    """Insert the rows into empty tables."""
    with app.app_context(), db.engine.begin() as connection:
        for table, values in rows:
            if values:
                connection.execute(table.insert(), values)


def close(app: Flask) -> None:
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
