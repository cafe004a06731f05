"""Start the production server: everything that can be wrong is said before it starts, in one sentence."""

import errno
import os
import signal
import socket
import sys
from pathlib import Path

import click
import flask_migrate
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import Flask
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from reflow_accounts import demo, paths
from reflow_accounts.api_keys.usage.retention import ensure_months
from reflow_accounts.config import ConfigError, Settings, prepare_instance
from reflow_accounts.database import db, make_file
from reflow_accounts.web.redirects import listening

WORKERS = 2
# A worker that is told to stop lets its answers be read to the end, but for no longer than this.
SECONDS_TO_STOP = 30


def serve(app: Flask, host: str, port: int) -> None:
    """Migrate, seed a new database outside production, say where, and serve until stopped.

    Exits with one sentence when the port is taken or the database cannot be opened or written.
    """
    settings: Settings = app.config["SETTINGS"]
    try:
        _check_port(host, port)
        _check_database_folder(settings)
        is_new = bring_up_to_date(settings)
    except ConfigError as error:
        sys.exit(f"reflow-accounts: {error}")
    except CommandError:
        sys.exit(
            "reflow-accounts: the database was made by a newer version. Run that version, or another database."
        )
    except DatabaseError as error:
        sys.exit(
            f"reflow-accounts: the database cannot be opened ({_first_line(error)}). Check REFLOW_DATABASE_URL."
        )
    click.echo(_welcome(settings, host, port, is_new))
    # Without a base URL the links in mails lead here.
    os.environ.update(HOST=host, PORT=str(port))
    # The workers are forked from here and must not share its connections.
    db.engine.dispose()
    _run(host, port)


def bring_up_to_date(settings: Settings) -> bool:
    """Migrate the database, and seed it when it is new and not production's; say whether it was seeded."""
    make_file(db.engine)
    if _current_revision() != _newest_revision():
        flask_migrate.upgrade()
    ensure_months()
    if settings.is_production or not demo.is_new_database():
        return False
    demo.seed()
    return True


def _run(host: str, port: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    # The workers make the application anew and must know the name that they answer at.
    os.environ["HOST"] = host

    # A worker that is told to stop while it starts ends at once: until it sets its own handlers it would
    # have those of this process, which only note the signal here.
    os.register_at_fork(after_in_child=_end_on_signals)
    Granian(
        "reflow_accounts.asgi:app",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=WORKERS,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=SECONDS_TO_STOP,
    ).serve()


def _end_on_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _check_port(host: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigError(_why_not(error, host, port)) from None


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is taken by another program. Stop it, or choose another: make run PORT={port + 1}"
        )
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights. Choose one above 1023: make run PORT=5000"
    return f"The address {host} port {port} cannot be used ({error.strerror}). Check HOST and PORT."


def _check_database_folder(settings: Settings) -> None:
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite":
        return
    file = Path(str(url.database))
    prepare_instance(file.absolute().parent)
    if file.exists() and not os.access(file, os.W_OK):
        raise ConfigError(f"The database {file} cannot be written: make it writable for this user.")


def _current_revision() -> str | None:
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _newest_revision() -> str | None:
    return ScriptDirectory(str(paths.MIGRATIONS)).get_current_head()


def _welcome(settings: Settings, host: str, port: int, is_new: bool) -> str:
    address = settings.base_url or listening(host, port)
    lines = [f"Reflow Accounts is at {address} (Ctrl-C stops it)"]
    if not settings.is_production:
        lines.append("A new database was made." if is_new else "The database keeps its data.")
        lines.append(demo.table())
    return "\n".join(lines)


def _first_line(error: DatabaseError) -> str:
    return str(error.orig).splitlines()[0]
