"""Count the log of uses again and compare the result with totals, ranges and counts by time, key by key."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    func,
    null,
    or_,
    select,
    text,
    type_coerce,
    union_all,
)

from reflow_accounts.api_keys.models import ApiKey, QuarterCount, UsageRange, UsageTotal, Use
from reflow_accounts.api_keys.usage.daily_counts import (
    accepted_uses,
    counted_up_to,
    quarter_of,
    refused_uses,
)
from reflow_accounts.api_keys.usage.queries import rolled_up_to
from reflow_accounts.database import UTCDateTime, db

_ROWS_AT_ONCE = 1000
# A row with the uses of a key in one roll-up: key, number, first and last id and time.
_Range = Any


@dataclass(frozen=True)
class Difference:
    """A key whose total, ranges or counts by time differ from the log.

    `misled` is the number of uses that are missing or in excess in the ranges, `miscounted` in the counts by time.
    """

    key_id: str
    counted: int
    logged: int
    last_counted_at: datetime | None
    last_logged_at: datetime | None
    misled: int
    miscounted: int


def differences(engine: Engine | None = None) -> list[Difference]:
    """Return the keys whose total, ranges or counts differ from the log, with pruned uses taken into account.

    Reads one snapshot of the application's database, or that of `engine`, so that it can run while the service does.
    """
    with _snapshot(engine or db.engine) as connection:
        missing, excess = _compare_ranges(connection)
        return list(_compare_totals(connection, missing, excess, _compare_counts(connection)))


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("BEGIN"))
            yield connection
        else:
            yield connection.execution_options(isolation_level="REPEATABLE READ")


def _compare_ranges(connection: Connection) -> tuple[Counter[int], Counter[int]]:
    """Return by key id the number of uses outside of all ranges, and of uses in ranges but not in the log."""
    missing: Counter[int] = Counter()
    excess: Counter[int] = Counter()
    cursor = connection.scalar(select(rolled_up_to())) or 0
    low = 0
    for batch, ranges in _ranges_by_batch(connection, cursor):
        _compare_batch(ranges, _log_between(connection, low, batch), missing, excess)
        low = batch
    _compare_batch({}, _log_between(connection, low, cursor), missing, excess)
    return missing, excess


def _compare_batch(
    ranges: dict[int, _Range], log: dict[int, _Range], missing: Counter[int], excess: Counter[int]
) -> None:
    for key_id in ranges.keys() | log.keys():
        stored, logged = ranges.get(key_id), log.get(key_id)
        if logged and not (stored and _contains(stored, logged)):
            missing[key_id] += logged.uses
        elif stored and stored.uses > (logged.uses if logged else 0):
            excess[key_id] += stored.uses - (logged.uses if logged else 0)


def _contains(stored: _Range, logged: _Range) -> bool:
    """Return whether a stored range covers the log; it has more uses only after pruning."""
    if stored.uses == logged.uses:
        return tuple(stored[1:6]) == tuple(logged[1:6])
    ids = stored.first_id <= logged.first_id and logged.last_id <= stored.last_id
    times = stored.first_at <= logged.first_at and logged.last_at <= stored.last_at
    return bool(stored.uses > logged.uses and ids and times)


def _ranges_by_batch(connection: Connection, cursor: int) -> Iterator[tuple[int, dict[int, _Range]]]:
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
        query.where(UsageRange.fold <= cursor).order_by(UsageRange.fold)
    )
    for batch, ranges in groupby(rows, key=lambda row: row.fold):
        yield batch, {row.key_id: row for row in ranges}


def _log_between(connection: Connection, low: int, high: int) -> dict[int, _Range]:
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
    connection: Connection, missing: Counter[int], excess: Counter[int], miscounted: Counter[int]
) -> Iterator[Difference]:
    rows = connection.execute(_totals_and_log())
    for public_id, key_id, in_total, in_log, gone, total_at, log_at in rows:
        # After pruning the log may lack the newest use.
        if gone and (log_at is None or log_at < total_at):
            log_at = total_at
        misled = missing.pop(key_id, 0) + max(0, excess.pop(key_id, 0) - int(gone))
        wrong = miscounted.pop(key_id, 0)
        if in_total != in_log or total_at != log_at or misled or wrong:
            name = public_id or _placeholder_name(key_id)
            yield Difference(name, int(in_total + gone), int(in_log + gone), total_at, log_at, misled, wrong)
    # Ranges and counts of keys without a total and without uses.
    for key_id in excess.keys() | miscounted.keys():
        yield Difference(_placeholder_name(key_id), 0, 0, None, None, excess[key_id], miscounted[key_id])


def _compare_counts(connection: Connection) -> Counter[int]:
    """Return by key id the number of uses by which the counts by time differ from the log."""
    quarter = quarter_of(Use.at)
    log = select(Use.key_id, quarter.label("quarter"), -accepted_uses, -refused_uses)
    log = log.where(Use.id <= counted_up_to()).group_by(Use.key_id, quarter)
    counts = select(QuarterCount.key_id, QuarterCount.quarter, QuarterCount.accepted, QuarterCount.refused)
    both = union_all(counts, log).subquery()
    accepted, refused = func.sum(both.c.accepted), func.sum(both.c.refused)
    query = select(both.c.key_id, accepted, refused).group_by(both.c.key_id, both.c.quarter)
    wrong: Counter[int] = Counter()
    for key_id, more_accepted, more_refused in connection.execute(
        query.having(or_(accepted != 0, refused != 0))
    ):
        wrong[key_id] += int(abs(more_accepted) + abs(more_refused))
    return wrong


def _totals_and_log() -> Select[Any]:
    """Return a query for each key's uses and last use, by its total and by the log."""
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
        .where(Use.id <= rolled_up_to())
        .group_by(Use.key_id)
    )
    both = union_all(totals, log).subquery()
    counted, logged = func.sum(both.c.counted), func.sum(both.c.logged)
    pruned = func.sum(both.c.pruned)
    last_counted, last_logged = func.max(both.c.last_counted_at), func.max(both.c.last_logged_at)
    return (
        select(ApiKey.public_id, both.c.key_id, counted, logged, pruned, last_counted, last_logged)
        .join(ApiKey, ApiKey.id == both.c.key_id, isouter=True)
        .group_by(both.c.key_id, ApiKey.public_id)
        .order_by(both.c.key_id)
    )


def _placeholder_name(key_id: int) -> str:
    return f"(no key with number {key_id})"


def count_keys() -> int:
    """Return the number of keys with a total."""
    return db.session.scalar(select(func.count()).select_from(UsageTotal)) or 0
