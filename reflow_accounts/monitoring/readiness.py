"""Readiness for requests: the database, its schema, the store of rate limits, and no shutdown in progress."""

from collections.abc import Callable, Iterator

from sqlalchemy.exc import SQLAlchemyError

from reflow_accounts import revisions
from reflow_accounts.database import db
from reflow_accounts.rate_limits.counters import limiter
from reflow_accounts.revisions import Fit

DATABASE, SCHEMA, RATE_LIMITS, STOPPING = "database", "schema", "rate_limits", "stopping"

_is_stopping = False


def begin_to_stop() -> None:
    """Make this process not ready, because it is about to stop."""
    global _is_stopping
    _is_stopping = True


def is_stopping() -> bool:
    """Return whether this process is about to stop."""
    return _is_stopping


def faults() -> Iterator[str]:
    """Yield the names of what is not ready."""
    if _is_stopping:
        yield STOPPING
    try:
        with db.engine.connect() as connection:
            fit = revisions.fit(connection)
    except SQLAlchemyError:
        yield DATABASE
        return
    if fit not in (Fit.CURRENT, Fit.NEWER):
        yield SCHEMA
    rate_limiter = limiter()
    if rate_limiter and not _is_available(rate_limiter.storage.check, rate_limiter.storage.base_exceptions):
        yield RATE_LIMITS


def _is_available(check: Callable[[], bool], errors: type[Exception] | tuple[type[Exception], ...]) -> bool:
    try:
        return check()
    except errors:
        return False
