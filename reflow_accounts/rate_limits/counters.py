"""Storage of the library `limits` in the database, and the choice of the storage."""

import re
from datetime import timedelta
from typing import Any

from flask import Flask, current_app
from limits.storage import Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import bindparam, delete, select, text

from reflow_accounts.config import Settings
from reflow_accounts.database import UTCDateTime, db, now
from reflow_accounts.rate_limits.models import LimitCount

# Timeout of the counter store (Redis or Valkey), in seconds.
_SECONDS_TO_ANSWER = 2.0
_EXTENSION = "limiter"
# As text, because building this statement with SQLAlchemy takes longer than executing it.
_INCREMENT = text("""
    INSERT INTO limit_counts (key, count, ends_at) VALUES (:key, :first, :ends_at)
    ON CONFLICT (key) DO UPDATE SET
        count = CASE
            WHEN limit_counts.ends_at <= :now THEN :first
            WHEN limit_counts.count + :amount < 0 THEN 0
            ELSE limit_counts.count + :amount
        END,
        ends_at = CASE WHEN limit_counts.ends_at <= :now THEN :ends_at ELSE limit_counts.ends_at END
    RETURNING limit_counts.count
""").bindparams(bindparam("now", type_=UTCDateTime), bindparam("ends_at", type_=UTCDateTime))


class DatabaseStorage(Storage):
    """Counters in the database, incremented by one atomic statement in a separate transaction.

    An attempt counts even if its request is rolled back, and concurrent attempts on all nodes get different
    numbers. The window of a counter begins with its first attempt.
    """

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """No exceptions are wrapped: `web.error_handlers` handles database errors."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add `amount`, which may be negative, and return the count of this window (at least 0)."""
        # SQLite has one writer: with an open write transaction, this request would wait for itself.
        if db.engine.dialect.name == "sqlite" and db.session().in_transaction():
            driver: Any = db.session.connection().connection.driver_connection
            if driver.in_transaction:
                raise RuntimeError("count an attempt before the request writes")
        at = now()
        values = {
            "key": key,
            "first": max(amount, 0),
            "amount": amount,
            "now": at,
            "ends_at": at + timedelta(seconds=expiry),
        }
        with db.engine.begin() as connection:
            count: int = connection.execute(_INCREMENT, values).scalar_one()
        return count

    def get(self, key: str) -> int:
        query = select(LimitCount.count).where(LimitCount.key == key, LimitCount.ends_at > now())
        with db.engine.connect() as connection:
            return connection.scalar(query) or 0

    def get_expiry(self, key: str) -> float:
        """Return when the window of this counter ends, in seconds since 1970."""
        with db.engine.connect() as connection:
            ends_at = connection.scalar(select(LimitCount.ends_at).where(LimitCount.key == key))
        return (ends_at or now()).timestamp()

    def check(self) -> bool:
        with db.engine.connect() as connection:
            connection.execute(select(LimitCount.key).limit(1))
        return True

    def reset(self) -> int:
        with db.engine.begin() as connection:
            return connection.execute(delete(LimitCount)).rowcount

    def clear(self, key: str) -> None:
        with db.engine.begin() as connection:
            connection.execute(delete(LimitCount).where(LimitCount.key == key))


def init_app(app: Flask, settings: Settings) -> None:
    """Create the limiter of an application, with counters in its database, Redis or Valkey."""
    storage: Any = None
    if settings.rate_limits:
        # The package valkey also supports Redis; `limits` chooses the package by the scheme of the URL.
        url = re.sub("^redis", "valkey", settings.ratelimit_storage_url)
        timeouts = {"socket_timeout": _SECONDS_TO_ANSWER, "socket_connect_timeout": _SECONDS_TO_ANSWER}
        storage = storage_from_string(url, **timeouts) if url else DatabaseStorage()
    app.extensions[_EXTENSION] = FixedWindowRateLimiter(storage) if storage else None


def limiter() -> FixedWindowRateLimiter | None:
    """Return the limiter of the current application, or None when limits are off."""
    current: FixedWindowRateLimiter | None = current_app.extensions[_EXTENSION]
    return current
