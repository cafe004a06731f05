"""Write uses straight into the log, at times of one's choice, and read it the slow and sure way."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.api_keys.usage import queries, record, rollup
from reflow_accounts.api_keys.usage.queries import UsageCount
from reflow_accounts.api_keys.usage.record import NewUse
from reflow_accounts.database import db, now


def on(kind: str) -> pytest.MarkDecorator:
    """Run a test on one kind of database alone: what it shows is that database's own."""
    return pytest.mark.parametrize("database", [kind], indirect=True, scope="session")


def number_of(app: Flask, key_id: str) -> int:
    with app.app_context():
        return db.session.scalars(select(ApiKey.id).where(ApiKey.public_id == key_id)).one()


def append(app: Flask, key: int, at: datetime, path: str = "/api/v1/me") -> int:
    """Append a use as a request does; return its number."""
    with app.app_context():
        number = record.record(NewUse(key, at, "GET", path, 200, "accepted", "192.0.2.1", "tests"))
        db.session.commit()
        return number


def append_many(app: Flask, key: int, number: int, path: str = "/many", user_agent: str = "tests") -> None:
    """Append so many uses, a millisecond apart from now on, in one statement."""
    at = now()
    facts = {"key_id": key, "method": "GET", "path": path, "status": 200, "outcome": "accepted"}
    facts |= {"address": "192.0.2.1", "user_agent": user_agent}
    moments = [{"at": at + timedelta(milliseconds=step)} for step in range(number)]
    with app.app_context():
        db.session.execute(insert(Use), [facts | moment for moment in moments])
        db.session.commit()


def fold(app: Flask) -> None:
    with app.app_context():
        rollup.roll_up()


def usage(app: Flask, key: int) -> UsageCount:
    with app.app_context():
        return queries.usage_counts_of([key])[key]


def counted(app: Flask, key: int) -> UsageCount:
    """Count the log itself."""
    with app.app_context():
        count, last = db.session.execute(
            select(func.count(), func.max(Use.at)).where(Use.key_id == key)
        ).one()
        return UsageCount(count, last)


def listed(app: Flask, keys: Sequence[int], **bounds: object) -> list[int]:
    """Return the numbers of the uses that `uses_of` lists."""
    with app.app_context():
        return [use.id for use in queries.uses_of(keys, **bounds)]  # type: ignore[arg-type]


def listed_times(app: Flask, key: int) -> list[datetime]:
    """Return when a key was used, newest first, as the log has it."""
    with app.app_context():
        return list(db.session.scalars(select(Use.at).where(Use.key_id == key).order_by(Use.id.desc())))
