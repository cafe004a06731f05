"""Reads database rows as plain values."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import event, func, select

from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db


@dataclass(frozen=True)
class KnownUse:
    """One recorded use."""

    method: str
    path: str
    status: int
    outcome: str
    address: str
    user_agent: str


def uses_of(app: Flask, key_id: str) -> list[KnownUse]:
    """List the uses of a key (by its public id), oldest first."""
    query = select(Use).join(Use.key).where(ApiKey.public_id == key_id).order_by(Use.id)
    with app.app_context():
        return [
            KnownUse(use.method, use.path, use.status, use.outcome, use.address, use.user_agent)
            for use in db.session.scalars(query)
        ]


def count(app: Flask, model: type[Any]) -> int:
    """Return the number of rows of a table."""
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def audit_events(app: Flask) -> list[tuple[str, str, str]]:
    """Return the audit log as (action, actor, subject), oldest first."""
    with app.app_context():
        events = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id))
        return [(event.action, event.actor_name, event.subject) for event in events]


@dataclass
class Statements:
    """The SQL statements sent during a block."""

    seen: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.seen)


@contextmanager
def collect_statements(app: Flask) -> Iterator[Statements]:
    """Collect the statements that the application sends to its database."""
    statements = Statements()

    def record(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", record)


@contextmanager
def counting_instructions() -> Iterator[list[None]]:
    """Collect an item for every ten instructions that SQLite executes in the session of this application context."""
    found: list[None] = []
    connection: Any = db.session.connection().connection.driver_connection
    connection.set_progress_handler(lambda: found.append(None), 10)
    try:
        yield found
    finally:
        connection.set_progress_handler(None, 0)
