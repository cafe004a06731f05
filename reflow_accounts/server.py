"""Starts the production server, after checks that exit with one sentence for each problem."""

import errno
import logging
import os
import signal
import socket
import sys
import threading
from multiprocessing import active_children
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import alembic.command
import click
from flask import Flask
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from reflow_accounts import demo, revisions, transfer
from reflow_accounts.api_keys.usage.retention import ensure_months
from reflow_accounts.auth.second_factor import has_foreign_secrets
from reflow_accounts.config import ConfigError, Settings, prepare_instance
from reflow_accounts.database import db, make_file, migrate
from reflow_accounts.database_errors import opening_problem
from reflow_accounts.monitoring import metrics
from reflow_accounts.revisions import Fit
from reflow_accounts.service import DRAIN_SIGNAL
from reflow_accounts.web import request_logging
from reflow_accounts.web.redirects import listening

WORKERS = 2
# How long a stopping worker may finish its responses.
SECONDS_TO_STOP = 30
# How long requests on open connections are still answered after SIGTERM, with Connection: close, so that a client or
# proxy that sends one at this moment gets its response.
SECONDS_TO_DRAIN = 2.0

_logger = logging.getLogger(__name__)


def serve(app: Flask, host: str, port: int) -> None:
    """Migrate, seed a new database outside production, print the address, and serve until stopped.

    Exits with one sentence when the port is taken or the database cannot be opened or written.
    """
    settings: Settings = app.config["SETTINGS"]
    request_logging.configure_process()
    try:
        _check_port(host, port)
        _check_database_folder(settings)
        is_new = bring_up_to_date(settings)
    except ConfigError as error:
        sys.exit(f"reflow-accounts: {error}")
    except DatabaseError as error:
        sys.exit(f"reflow-accounts: {opening_problem(error)}")
    click.echo(_welcome(settings, host, port, is_new))
    # The workers create the application again: without a base URL they need these for links and the host names.
    os.environ.update(HOST=host, PORT=str(port))
    # The forked workers must not share these connections.
    db.engine.dispose()
    with TemporaryDirectory(prefix="reflow-metrics-") as folder:
        # The worker processes write their metrics to files in this folder; each can read them all for `/metrics`.
        os.environ[metrics.FOLDER_VARIABLE] = folder
        _run(host, port)


def bring_up_to_date(settings: Settings) -> bool:
    """Migrate the database, and seed a new one outside production; return whether it was seeded.

    Of processes that start concurrently, one does so and the others wait. Leaves a database of a newer version
    unchanged if it works with this version, else raises ConfigError, as for an unfinished copy.
    """
    make_file(db.engine)
    with revisions.migration_lock(db.engine):
        with db.engine.connect() as connection:
            fit, revision = revisions.fit(connection), revisions.current_revision(connection)
            if transfer.is_unfinished(connection):
                raise ConfigError(transfer.UNFINISHED_COPY)
        if fit is Fit.TOO_NEW:
            raise ConfigError(revisions.TOO_NEW.format(revision, revisions.newest_revision()))
        if fit is Fit.NEWER:
            _logger.warning(
                "the database has revision %s, made by a newer version that works with this one", revision
            )
        elif fit is not Fit.CURRENT:
            alembic.command.upgrade(migrate.get_config(), "head")
        ensure_months()
        if has_foreign_secrets():
            _logger.warning(
                "the secret key does not belong to this database: passwords and codes of authenticator apps are "
                "refused until it is the one that was kept with the database"
            )
        if settings.is_production or not demo.is_new_database():
            return False
        demo.seed()
        return True


def _run(host: str, port: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    # A worker that is stopped while it starts must end at once: until it sets its own handlers, it would have those of
    # this process, which only record the signal.
    os.register_at_fork(after_in_child=_end_on_signals)
    # Workers that are still starting need not drain.
    signal.signal(DRAIN_SIGNAL, signal.SIG_IGN)
    server = Granian(
        "reflow_accounts.asgi:app",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=WORKERS,
        websockets=False,
        log_level=LogLevels.warning,
        log_dictconfig=request_logging.SERVER_LOGGING,
        respawn_failed_workers=True,
        workers_kill_timeout=SECONDS_TO_STOP,
    )
    # The server has set its own signal handlers by then.
    server.on_startup(_drain_on_sigterm)
    server.serve()


def _drain_on_sigterm() -> None:
    """Make the first SIGTERM drain the workers' connections before the server's own handler stops them."""
    stop: Any = signal.getsignal(signal.SIGTERM)

    def drain(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, stop)
        for worker in active_children():
            if worker.pid:
                os.kill(worker.pid, DRAIN_SIGNAL)
        timer = threading.Timer(SECONDS_TO_DRAIN, stop, (number, None))
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, drain)


def _end_on_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _check_port(host: str, port: int) -> None:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = addresses[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigError(_port_problem(error, host, port)) from None


def _port_problem(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program. Stop it, or choose another: PORT={port + 1}"
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights. Choose one above 1023: PORT=5000"
    return f"The address {host} port {port} cannot be used ({error.strerror}). Check HOST and PORT."


def _check_database_folder(settings: Settings) -> None:
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite":
        return
    file = Path(str(url.database))
    prepare_instance(file.absolute().parent)
    if file.exists() and not os.access(file, os.W_OK):
        raise ConfigError(f"The database {file} cannot be written: make it writable for this user.")


def _welcome(settings: Settings, host: str, port: int, is_new: bool) -> str:
    address = settings.base_url or listening(host, port)
    lines = [f"Reflow Accounts is at {address} (Ctrl-C stops it)"]
    if not settings.is_production:
        lines.append("A new database was made." if is_new else "The database keeps its data.")
        # Standard output may go to a log, which must not contain passwords.
        lines.append(demo.table(with_password=sys.stdout.isatty()))
    return "\n".join(lines)
