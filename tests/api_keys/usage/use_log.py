"""Writes uses into the log at given times, and reads the log without totals or ranges."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.api_keys.usage import queries, rollup
from reflow_accounts.api_keys.usage.queries import UsageCount
from reflow_accounts.api_keys.usage.rollup import NewUse, record
from reflow_accounts.database import db, now


def only_on(kind: str) -> pytest.MarkDecorator:
    """Run a test on one kind of database only."""
    return pytest.mark.parametrize("database", [kind], indirect=True, scope="session")


def key_number(app: Flask, key_id: str) -> int:
    with app.app_context():
        return db.session.scalars(select(ApiKey.id).where(ApiKey.public_id == key_id)).one()


def append(app: Flask, key: int, at: datetime, path: str = "/api/v1/me") -> int:
    """Append a use as a request does; return its number."""
    with app.app_context():
        number = record(NewUse(key, at, "GET", path, 200, "accepted", "192.0.2.1", "tests"))
        db.session.commit()
        return number


def append_many(app: Flask, key: int, number: int, path: str = "/many", user_agent: str = "tests") -> None:
    """Append `number` uses, a millisecond apart from now on, in one statement."""
    at = now()
    facts = {"key_id": key, "method": "GET", "path": path, "status": 200, "outcome": "accepted"}
    facts |= {"address": "192.0.2.1", "user_agent": user_agent}
    times = [{"at": at + timedelta(milliseconds=step)} for step in range(number)]
    with app.app_context():
        db.session.execute(insert(Use), [facts | moment for moment in times])
        db.session.commit()


def roll_up(app: Flask) -> None:
    with app.app_context():
        rollup.roll_up()


def usage_count(app: Flask, key: int) -> UsageCount:
    with app.app_context():
        return queries.usage_counts_of([key])[key]


def count_in_log(app: Flask, key: int) -> UsageCount:
    """Count the uses in the log."""
    with app.app_context():
        count, last = db.session.execute(
            select(func.count(), func.max(Use.at)).where(Use.key_id == key)
        ).one()
        return UsageCount(count, last)


def listed_ids(app: Flask, keys: Sequence[int], **bounds: object) -> list[int]:
    """Return the numbers of the uses that `uses_of` lists."""
    with app.app_context():
        return [use.id for use in queries.uses_of(keys, **bounds)]  # type: ignore[arg-type]


def times_in_log(app: Flask, key: int) -> list[datetime]:
    """Return the times of a key's uses in the log, newest first."""
    with app.app_context():
        return list(db.session.scalars(select(Use.at).where(Use.key_id == key).order_by(Use.id.desc())))
