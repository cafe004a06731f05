"""Metrics of the serving processes and of backlogs in the database, in Prometheus' text format."""

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request
from sqlalchemy import event, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from reflow_accounts.api_auth.key_check import OUTCOME, ROUTE
from reflow_accounts.api_keys.models import ACCEPTED, Use
from reflow_accounts.api_keys.usage.queries import rolled_up_to
from reflow_accounts.contract import Code
from reflow_accounts.database import db, now
from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.marketplace.models import MarketplaceEvent
from reflow_accounts.marketplace.state_machine import OUR_OWN
from reflow_accounts.subscriptions.models import Licence, LicenceState

Figure = tuple[str, str, float]

# Key in the ASGI scope of Flask. Its value is the scope of the server, which gets the labels of the request.
LABELS = "reflow.labels"
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_EXTENSION = "metrics"
# SQLAlchemy's default (https://docs.sqlalchemy.org/en/21/core/pooling.html).
_POOL_SIZE = 5
_UNKNOWN = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_KEY_CODES = frozenset(
    {Code.MALFORMED_KEY, Code.UNKNOWN_KEY, Code.REVOKED_KEY, Code.EXPIRED_KEY, Code.ACCOUNT_DISABLED}
)
_FILE_OF_PROCESS = re.compile(r"_(\d+)\.db$")


def backlog() -> Iterator[Figure]:
    """Yield name, description and value of each metric of the database. Raises SQLAlchemyError."""
    with db.engine.connect() as connection:
        cursor = connection.scalar(select(rolled_up_to())) or 0
        # Estimated by the primary key, because counting would read all rows.
        newest = connection.scalar(select(func.max(Use.id))) or 0
        oldest = connection.scalar(select(Use.at).where(Use.id > cursor).order_by(Use.id).limit(1))
        yield "reflow_roll_up_lag_uses", "Uses that are not rolled up.", max(newest - cursor, 0)
        yield "reflow_roll_up_lag_seconds", "Age of the oldest use that is not rolled up.", _age(oldest)
        is_waiting = OutboxMessage.done_at.is_(None)
        outbox_query = select(func.count(), func.min(OutboxMessage.created_at)).where(is_waiting)
        number, since = connection.execute(outbox_query).one()
        yield "reflow_outbox_messages", "Mails waiting in the outbox.", number
        yield "reflow_outbox_oldest_seconds", "Age of the oldest mail in the outbox.", _age(since)
        arrival_query = select(MarketplaceEvent.at, MarketplaceEvent.received_at).where(
            MarketplaceEvent.kind.not_in(OUR_OWN)
        )
        newest_event = connection.execute(
            arrival_query.order_by(MarketplaceEvent.received_at.desc()).limit(1)
        ).one_or_none()
        lag = (newest_event.received_at - newest_event.at).total_seconds() if newest_event else 0.0
        description = "Delay between the newest event of AWS Marketplace and its arrival."
        yield "reflow_marketplace_lag_seconds", description, max(lag, 0.0)
        purchase_query = select(func.min(Licence.created_at)).where(
            Licence.team_id.is_(None),
            Licence.state != LicenceState.ENDED,
            or_(Licence.ends_at.is_(None), Licence.ends_at > now()),
        )
        description = "Age of the oldest purchase without a team."
        yield "reflow_marketplace_unclaimed_seconds", description, _age(connection.scalar(purchase_query))


def _age(since: datetime | None) -> float:
    return max((now() - since).total_seconds(), 0.0) if since else 0.0


class Metrics:
    """Counts the requests of this process. No label names a person, team or key."""

    def __init__(self, app: Flask) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self._seconds: Histogram = Histogram(
            "reflow_http_request_duration_seconds",
            "Time from the end of the headers of a request to the end of its response.",
            ("route", "method", "status"),
            buckets=_BUCKETS,
        )
        self._checks: Counter = Counter("reflow_key_checks", "Checked API keys, by outcome.", ("outcome",))
        self.passwords: Gauge = Gauge(
            "reflow_password_requests",
            "Requests with a password that are running or queued.",
            multiprocess_mode="livesum",
        )
        connections_in_use: Gauge = Gauge(
            "reflow_database_connections_in_use",
            "Connections checked out of the pools.",
            multiprocess_mode="livesum",
        )
        connections_limit: Gauge = Gauge(
            "reflow_database_connections_limit",
            "Maximum connections of the pools.",
            multiprocess_mode="livesum",
        )
        options = app.config["SQLALCHEMY_ENGINE_OPTIONS"]
        connections_limit.set(_POOL_SIZE + options["max_overflow"])
        with app.app_context():
            event.listen(db.engine, "checkout", lambda *_: connections_in_use.inc())
            event.listen(db.engine, "checkin", lambda *_: connections_in_use.dec())
        app.extensions[_EXTENSION] = self

    def observe(self, scope: Any, status: int, seconds: float) -> None:
        """Count a finished request by the labels in its ASGI scope."""
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._seconds.labels(scope.get(ROUTE, _UNKNOWN), method, status).observe(seconds)
        if outcome := scope.get(OUTCOME):
            self._checks.labels(outcome).inc()


def init_app(app: Flask) -> None:
    """Register a handler that sets the labels of each request, before its use is recorded."""

    @app.after_request
    def set_labels(response: Response) -> Response:
        labels = request.environ.get("asgi.scope", {}).get(LABELS)
        if labels is None:
            return response
        if request.url_rule is not None:
            labels[ROUTE] = request.url_rule.rule
        code = g.get("problem_code")
        if code in _KEY_CODES:
            labels[OUTCOME] = str(code)
        elif "used_key" in g:
            labels[OUTCOME] = str(code) if code == Code.SUBSCRIPTION_INACTIVE else ACCEPTED
        return response


def text_of_all() -> bytes:
    """Return the metrics of all processes of this node, and of the database."""
    from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

    registry = CollectorRegistry()
    registry.register(_Database())
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return generate_latest(REGISTRY) + generate_latest(registry)
    # Drop the live gauges of killed processes; their counters stay.
    for file in Path(folder).glob("gauge_live*.db"):
        match = _FILE_OF_PROCESS.search(file.name)
        if match and not _is_running(int(match[1])):
            mark_process_dead(int(match[1]), folder)  # type: ignore[no-untyped-call]
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def is_enabled(app: Flask) -> bool:
    """Return whether this process counts its requests."""
    return _EXTENSION in app.extensions


class _Database:
    """Collector of the metrics of the database, which are the same on every node."""

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        try:
            figures = list(backlog())
        except SQLAlchemyError:
            figures = []
        up = "Whether the database answered the queries of this page."
        yield GaugeMetricFamily("reflow_database_up", up, value=float(bool(figures)))
        for name, description, value in figures:
            yield GaugeMetricFamily(name, description, value=value)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
