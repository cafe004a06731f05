"""The hot path's way to the database: one lookup, one append, by the raw driver."""

from flask import Flask, current_app
from sqlalchemy.engine import make_url

from reflow_accounts.api_keys.wire.asked import Row, UseFacts, Wire, utc
from reflow_accounts.api_keys.wire.postgres import PostgresWire
from reflow_accounts.api_keys.wire.sqlite import SqliteWire

__all__ = ["Row", "UseFacts", "Wire", "bind", "utc", "wire", "wire_of"]

_EXTENSION = "api_key_wire"


def bind(app: Flask, database_url: str, sqlite_synchronous: str) -> None:
    """Keep the wire of an application; nothing is opened yet."""
    url = make_url(database_url)
    wire: Wire
    if url.get_backend_name() == "sqlite":
        wire = SqliteWire(str(url.database), sqlite_synchronous)
    else:
        wire = PostgresWire(url.set(drivername="postgresql").render_as_string(hide_password=False))
    app.extensions[_EXTENSION] = wire


def wire_of(app: Flask) -> Wire:
    """Return the wire of an application."""
    found: Wire = app.extensions[_EXTENSION]
    return found


def wire() -> Wire:
    """Return the wire of the current application."""
    return wire_of(current_app)
