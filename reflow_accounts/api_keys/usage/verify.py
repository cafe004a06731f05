"""Count the log of uses again and compare with what totals and ranges say, key by key."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, null, select, text, type_coerce, union_all

from reflow_accounts.api_keys.models import ApiKey, UsageRange, UsageTotal, Use
from reflow_accounts.api_keys.usage.queries import rolled_up_to
from reflow_accounts.database import UTCDateTime, db

_ROWS_AT_ONCE = 1000
# A key's uses in one roll-up, as a row: the key, how many, and between which numbers and times.
_Stretch = Any


@dataclass(frozen=True)
class Difference:
    """A key whose total or ranges are not what its log says; `misled` uses are not where the ranges say."""

    key_id: str
    counted: int
    logged: int
    last_counted_at: datetime | None
    last_logged_at: datetime | None
    misled: int


def differences() -> list[Difference]:
    """List every key whose totals or ranges differ from its log (uses that were pruned taken into account).

    All of it is read as of one moment: it may run while the service does.
    """
    with _one_moment() as connection:
        unfound, excess = _compare_spans(connection)
        return list(_compare_totals(connection, unfound, excess))


@contextmanager
def _one_moment() -> Iterator[Connection]:
    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("BEGIN"))
            yield connection
        else:
            yield connection.execution_options(isolation_level="REPEATABLE READ")


def _compare_spans(connection: Connection) -> tuple[Counter[int], Counter[int]]:
    """Count, by the key's number, uses that no range leads to, and uses of ranges that the log lacks."""
    unfound: Counter[int] = Counter()
    excess: Counter[int] = Counter()
    mark = connection.scalar(select(rolled_up_to())) or 0
    low = 0
    for fold, spans in _spans_by_fold(connection, mark):
        _compare_fold(spans, _log_between(connection, low, fold), unfound, excess)
        low = fold
    _compare_fold({}, _log_between(connection, low, mark), unfound, excess)
    return unfound, excess


def _compare_fold(
    spans: dict[int, _Stretch], log: dict[int, _Stretch], unfound: Counter[int], excess: Counter[int]
) -> None:
    for key_id in spans.keys() | log.keys():
        span, found = spans.get(key_id), log.get(key_id)
        if found and not (span and _leads_to(span, found)):
            unfound[key_id] += found.uses
        elif span and span.uses > (found.uses if found else 0):
            excess[key_id] += span.uses - (found.uses if found else 0)


def _leads_to(span: _Stretch, found: _Stretch) -> bool:
    """Say whether a range holds what the log does; it holds more only where uses were pruned."""
    if span.uses == found.uses:
        return tuple(span[1:6]) == tuple(found[1:6])
    numbers = span.first_id <= found.first_id and found.last_id <= span.last_id
    times = span.first_at <= found.first_at and found.last_at <= span.last_at
    return bool(span.uses > found.uses and numbers and times)


def _spans_by_fold(connection: Connection, mark: int) -> Iterator[tuple[int, dict[int, _Stretch]]]:
    query = select(
        UsageRange.key_id,
        UsageRange.count.label("uses"),
        UsageRange.first_id,
        UsageRange.last_id,
        UsageRange.first_at,
        UsageRange.last_at,
        UsageRange.fold,
    )
    rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(
        query.where(UsageRange.fold <= mark).order_by(UsageRange.fold)
    )
    for fold, spans in groupby(rows, key=lambda row: row.fold):
        yield fold, {span.key_id: span for span in spans}


def _log_between(connection: Connection, low: int, high: int) -> dict[int, _Stretch]:
    query = select(
        Use.key_id,
        func.count().label("uses"),
        func.min(Use.id).label("first_id"),
        func.max(Use.id).label("last_id"),
        func.min(Use.at).label("first_at"),
        func.max(Use.at).label("last_at"),
    )
    rows = connection.execute(query.where(Use.id > low, Use.id <= high).group_by(Use.key_id))
    return {row.key_id: row for row in rows}


def _compare_totals(
    connection: Connection, unfound: Counter[int], excess: Counter[int]
) -> Iterator[Difference]:
    mark = rolled_up_to()
    totals = select(
        UsageTotal.key_id,
        (UsageTotal.count - UsageTotal.pruned).label("counted"),
        (UsageTotal.count * 0).label("logged"),
        UsageTotal.pruned.label("pruned"),
        UsageTotal.last_used_at.label("last_counted_at"),
        type_coerce(null(), UTCDateTime).label("last_logged_at"),
    )
    log = (
        select(
            Use.key_id,
            func.count() * 0,
            func.count(),
            func.count() * 0,
            type_coerce(null(), UTCDateTime),
            func.max(Use.at),
        )
        .where(Use.id <= mark)
        .group_by(Use.key_id)
    )
    both = union_all(totals, log).subquery()
    counted, logged = func.sum(both.c.counted), func.sum(both.c.logged)
    pruned = func.sum(both.c.pruned)
    last_counted, last_logged = func.max(both.c.last_counted_at), func.max(both.c.last_logged_at)
    query = (
        select(ApiKey.public_id, both.c.key_id, counted, logged, pruned, last_counted, last_logged)
        .join(ApiKey, ApiKey.id == both.c.key_id, isouter=True)
        .group_by(both.c.key_id, ApiKey.public_id)
        .order_by(both.c.key_id)
    )
    for public_id, key_id, in_total, in_log, gone, total_at, log_at in connection.execute(query):
        # The newest use may have been pruned; then the log knows only an older one, or none.
        if gone and (log_at is None or log_at < total_at):
            log_at = total_at
        misled = unfound.pop(key_id, 0) + max(0, excess.pop(key_id, 0) - int(gone))
        if in_total != in_log or total_at != log_at or misled:
            name = public_id or _nameless(key_id)
            yield Difference(name, int(in_total + gone), int(in_log + gone), total_at, log_at, misled)
    # Ranges of keys that have neither a total nor a use.
    for key_id, number in excess.items():
        yield Difference(_nameless(key_id), 0, 0, None, None, number)


def _nameless(key_id: int) -> str:
    return f"(no key with number {key_id})"


def count_keys() -> int:
    """Return how many keys have a total."""
    return db.session.scalar(select(func.count()).select_from(UsageTotal)) or 0
