"""Uses of keys per day in a time zone, accepted and refused, from the counts by quarter of an hour."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    column,
    func,
    literal,
    select,
    true,
    union_all,
    values,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from reflow_accounts.api_keys.models import ACCEPTED, ApiKey, QuarterCount, RollupCursor, Use
from reflow_accounts.database import db, is_any_of, now

DAYS = 30
_QUARTER = timedelta(minutes=15)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Both counts of a day in one number, so that one subquery returns them.
_PACK = 2**31
_packing = literal(_PACK, BigInteger)


class DayCount(NamedTuple):
    """The uses of a local day: answered without an error, and answered with one (status 400 and above)."""

    day: date
    accepted: int
    refused: int


class quarter_of(FunctionElement[int]):  # noqa: N801  # like an SQL function
    """SQL expression: the number of quarters of an hour from 1970 to a time."""

    type = BigInteger()
    inherit_cache = True


@compiles(quarter_of, "sqlite")
def _quarter_on_sqlite(element: quarter_of, compiler: Any, **options: Any) -> str:
    # Without the fraction, because strftime rounds it.
    at = compiler.process(element.clauses, **options)
    return f"(CAST(strftime('%s', substr({at}, 1, 19)) AS INTEGER) / 900)"


@compiles(quarter_of, "postgresql")
def _quarter_on_postgresql(element: quarter_of, compiler: Any, **options: Any) -> str:
    at = compiler.process(element.clauses, **options)
    return f"CAST(floor(extract(epoch FROM {at}) / 900) AS BIGINT)"


accepted_uses = func.count().filter(Use.outcome == ACCEPTED)
refused_uses = func.count().filter(Use.outcome != ACCEPTED)


def daily_counts(key_ids: Collection[int], zone: tzinfo, days: int) -> list[DayCount]:
    """Return the exact number of uses of these keys together for each of the last `days` local days, oldest first.

    `zone` is the time zone of the days, of which today is the last. Days without uses are included. Uses that are not
    rolled up are counted, pruned ones are not.
    """
    dates = _last_days(zone, days)
    starts = _starts(dates, zone)
    day = _days(starts)
    query = select(literal(0), day.c.start, _packed_count(day, is_any_of(QuarterCount.key_id, key_ids)))
    return _add_unrolled(query, literal(0), key_ids, dates, starts)[0]


def daily_counts_of(key_ids: Collection[int], zone: tzinfo) -> Mapping[int, list[DayCount]]:
    """Return the same as `daily_counts` for each key, by its row id: the last 30 days, for sparklines."""
    dates = _last_days(zone, DAYS)
    starts = _starts(dates, zone)
    day = _days(starts)
    query = select(ApiKey.id, day.c.start, _packed_count(day, QuarterCount.key_id == ApiKey.id))
    query = query.join_from(ApiKey, day, true()).where(is_any_of(ApiKey.id, key_ids))
    counts_by_key = _add_unrolled(query, column("key_id", BigInteger), key_ids, dates, starts)
    return {key_id: counts_by_key.get(key_id) or [DayCount(day, 0, 0) for day in dates] for key_id in key_ids}


def counted_up_to() -> Any:
    """Return an SQL expression for the last use in the counts; 0 before the first roll-up."""
    return func.coalesce(select(RollupCursor.counted_upto).scalar_subquery(), 0)


def _last_days(zone: tzinfo, days: int) -> list[date]:
    last = now().astimezone(zone).date()
    return [last - timedelta(days=before) for before in reversed(range(days))]


def _starts(dates: list[date], zone: tzinfo) -> list[int]:
    """Return the quarter of an hour in which each local day begins, and the one after the last day."""
    midnights = (datetime.combine(day, time(), zone) for day in (*dates, dates[-1] + timedelta(days=1)))
    return [(midnight.astimezone(UTC) - _EPOCH) // _QUARTER for midnight in midnights]


def _days(starts: list[int]) -> CTE:
    bounds = column("start", BigInteger), column("next_start", BigInteger)
    return values(*bounds).data(list(pairwise(starts))).cte("days")


def _packed_count(day: CTE, of_key: ColumnElement[bool]) -> ColumnElement[int]:
    """Return a subquery for the packed counts of one day: three times as fast as a join with grouping."""
    in_day = (QuarterCount.quarter >= day.c.start, QuarterCount.quarter < day.c.next_start)
    packed = func.sum(QuarterCount.accepted * _packing + QuarterCount.refused)
    return func.coalesce(select(packed).where(of_key, *in_day).scalar_subquery(), 0)


def _add_unrolled(
    query: Select[Any],
    number: ColumnElement[int],
    key_ids: Collection[int],
    dates: list[date],
    starts: list[int],
) -> Mapping[int, list[DayCount]]:
    """Add the unrolled uses to those of `query`, and return the days by `number`, the column that identifies keys.

    A single statement reads both from one snapshot, so that no use is counted twice or missed.
    """
    # The constant beside the subquery is for the plans of PostgreSQL (see `queries.py`).
    cursor = db.session.scalar(select(counted_up_to())) or 0
    quarter = quarter_of(Use.at)
    unrolled = (
        select(number, quarter, accepted_uses * _packing + refused_uses)
        .where(Use.id > counted_up_to(), Use.id > cursor, is_any_of(Use.key_id, key_ids))
        .where(Use.at >= _EPOCH + starts[0] * _QUARTER, Use.at < _EPOCH + starts[-1] * _QUARTER)
        .group_by(Use.key_id, quarter)
    )
    packed_by_key: dict[int, list[int]] = defaultdict(lambda: [0] * len(dates))
    rows: Iterable[Any] = db.session.execute(union_all(query, unrolled))
    for key, in_quarter, packed in rows:
        packed_by_key[key][bisect_right(starts, in_quarter) - 1] += int(packed)
    return {
        key: [DayCount(day, *divmod(packed, _PACK)) for day, packed in zip(dates, counts, strict=True)]
        for key, counts in packed_by_key.items()
    }
