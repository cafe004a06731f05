"""Usage counts of keys, and their uses."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, joinedload

from reflow_accounts.api_keys.models import (
    ACCEPTED,
    USE_ID_PREFIX,
    ApiKey,
    QuarterCount,
    RollupCursor,
    UsageRange,
    UsageTotal,
    Use,
)
from reflow_accounts.api_keys.usage.daily_counts import counted_up_to, quarter_of
from reflow_accounts.api_keys.usage.rollup import LARGEST_ROLL_UP
from reflow_accounts.database import db, is_any_of, require_row
from reflow_accounts.web.pagination import NO_SUCH_ENTRY, Position, newer_than, read_entry_id

_OF_RANGES = (UsageRange.first_id, UsageRange.first_at, UsageRange.last_at)
# Ranges read in one step of a listing.
_RANGES_AT_ONCE = 64
# Uses in the first window of the log whose ranges a listing reads, and the growth factor of further windows.
_FIRST_WINDOW, _WINDOW_GROWTH = 65_536, 8


@dataclass(frozen=True)
class UsageCount:
    """Number of uses of a key, and the time of the last one."""

    count: int = 0
    last_used_at: datetime | None = None


def rolled_up_to() -> ColumnElement[int]:
    """Return an SQL expression for the last rolled-up use id; 0 before the first roll-up."""
    return func.coalesce(select(RollupCursor.upto).scalar_subquery(), 0)


def _is_not_rolled_up() -> ColumnElement[bool]:
    """Return the condition that a use is not rolled up, evaluated by the statement that contains it.

    It also compares with the current cursor as a constant (the cursor only grows): from the subquery alone
    PostgreSQL estimates a third of the log and reads all of it.
    """
    cursor = db.session.scalar(select(rolled_up_to())) or 0
    return and_(Use.id > rolled_up_to(), Use.id > cursor)


def usage_counts_of(key_ids: Collection[int]) -> Mapping[int, UsageCount]:
    """Return the exact usage of each key by its row id.

    A single statement reads rolled-up totals and unrolled rows from one snapshot, so that none are counted
    twice or missed.
    """
    totals = select(UsageTotal.key_id, UsageTotal.count, UsageTotal.last_used_at)
    unrolled = select(Use.key_id, func.count(), func.max(Use.at)).where(
        _is_not_rolled_up(), is_any_of(Use.key_id, key_ids)
    )
    both = union_all(
        totals.where(is_any_of(UsageTotal.key_id, key_ids)), unrolled.group_by(Use.key_id)
    ).subquery()
    query = select(both.c.key_id, func.sum(both.c.count), func.max(both.c.last_used_at))
    rows = db.session.execute(query.group_by(both.c.key_id))
    known = {key_id: UsageCount(int(count), at) for key_id, count, at in rows}
    return {key_id: known.get(key_id, UsageCount()) for key_id in key_ids}


def last_uses_of(user_ids: Collection[int]) -> Mapping[int, datetime]:
    """Return the last use of a key for each user with uses, by the row id of the user.

    A single statement, as in `usage_counts_of`.
    """
    totals = select(ApiKey.user_id, func.max(UsageTotal.last_used_at).label("at")).join(
        UsageTotal, UsageTotal.key_id == ApiKey.id
    )
    unrolled = select(ApiKey.user_id, func.max(Use.at)).join(Use, Use.key_id == ApiKey.id)
    of_users = is_any_of(ApiKey.user_id, user_ids)
    both = union_all(
        totals.where(of_users).group_by(ApiKey.user_id),
        unrolled.where(of_users, _is_not_rolled_up()).group_by(ApiKey.user_id),
    ).subquery()
    query = select(both.c.user_id, func.max(both.c.at)).group_by(both.c.user_id)
    return dict(db.session.execute(query).all())


def uses_of(
    key_ids: Collection[int],
    *,
    limit: int,
    before: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    accepted: bool | None = None,
    after: Position | None = None,
) -> list[Use]:
    """Return up to `limit` uses of these keys, newest first, each with its key.

    `before` continues a list after the use with this id; `since` (inclusive) and `until` (exclusive) limit
    the period; `accepted` selects uses that were answered without an error, or (False) with one; `after`
    selects the uses that are newer than that position.
    """
    conditions = [is_any_of(Use.key_id, key_ids), *_bounds(before, since, until)]
    if accepted is not None:
        conditions.append(Use.outcome == ACCEPTED if accepted else Use.outcome != ACCEPTED)
    if after:
        since = max(since or after.at, after.at)
        conditions.append(newer_than(Use.at, Use.id, after))
    cursor = db.session.scalar(select(rolled_up_to())) or 0
    uses = _latest_uses(limit, Use.id > cursor, *conditions)
    if key_ids and len(uses) < limit:
        ranges = [is_any_of(UsageRange.key_id, key_ids), *_bounds(before, since, until, *_OF_RANGES)]
        if accepted is not None:
            ranges.append(_has_some(accepted))
        # A range covers at most this many ids.
        newest = cursor if before is None else min(cursor, before + LARGEST_ROLL_UP)
        for in_range in _rolled_up_ranges(ranges, newest):
            uses += _latest_uses(limit - len(uses), in_range, *conditions)
            if len(uses) >= limit:
                break
    return uses


def position_of_use(key_ids: Collection[int], use_id: str) -> Position:
    """Return the position of a use of these keys, by its public id. Raises NotFound for other ids."""
    number = read_entry_id(use_id, USE_ID_PREFIX)
    query = select(Use.at).where(Use.id == number, is_any_of(Use.key_id, key_ids))
    return Position(require_row(query, NO_SUCH_ENTRY), number)


def _latest_uses(limit: int, *conditions: ColumnElement[bool]) -> list[Use]:
    query = select(Use).where(*conditions).options(joinedload(Use.key, innerjoin=True))
    return list(db.session.scalars(query.order_by(Use.id.desc()).limit(limit)))


def _bounds(
    before: int | None,
    since: datetime | None,
    until: datetime | None,
    first: InstrumentedAttribute[int] = Use.id,
    first_at: InstrumentedAttribute[datetime] = Use.at,
    last_at: InstrumentedAttribute[datetime] = Use.at,
) -> list[ColumnElement[bool]]:
    """Return the conditions that uses, or some uses of the ranges with these columns, are within the bounds."""
    conditions = []
    if before is not None:
        conditions.append(first < before)
    if since is not None:
        conditions.append(last_at >= since)
    if until is not None:
        conditions.append(first_at < until)
    return conditions


def _has_some(accepted: bool) -> ColumnElement[bool]:
    """Return the condition that a range may have accepted (or refused) uses, by the counts for its period."""
    number = QuarterCount.accepted if accepted else QuarterCount.refused
    of_time = QuarterCount.quarter.between(quarter_of(UsageRange.first_at), quarter_of(UsageRange.last_at))
    query = select(QuarterCount.key_id).where(QuarterCount.key_id == UsageRange.key_id, of_time, number > 0)
    return or_(query.exists(), UsageRange.fold > counted_up_to())


def _rolled_up_ranges(
    conditions: Collection[ColumnElement[bool]], newest: int
) -> Iterator[ColumnElement[bool]]:
    """Yield conditions for the ranges of the log up to use `newest` that meet `conditions`, newest first.

    Reads the log in windows, the first ones short, because many keys may have very many ranges.
    """
    low, width = newest + 1, _FIRST_WINDOW
    while low > 0:
        query = (
            select(
                UsageRange.fold,
                func.sum(UsageRange.count).label("uses"),
                func.min(UsageRange.first_id).label("first_id"),
                func.max(UsageRange.last_id).label("last_id"),
                func.min(UsageRange.first_at).label("first_at"),
                func.max(UsageRange.last_at).label("last_at"),
            )
            .where(*conditions, UsageRange.fold < low, UsageRange.fold >= low - width)
            .group_by(UsageRange.fold)
            .order_by(UsageRange.fold.desc())
            .limit(_RANGES_AT_ONCE)
        )
        ranges = db.session.execute(query).all()
        yield from _conditions_of(ranges)
        if len(ranges) == _RANGES_AT_ONCE:
            low = ranges[-1][0]
        else:
            low, width = low - width, width * _WINDOW_GROWTH


def _conditions_of(ranges: Sequence[Any]) -> Iterator[ColumnElement[bool]]:
    """Yield conditions on ids for these ranges, so that the database never reads the whole log.

    A range of three or more uses is one condition, for its part of the log. A range of one or two uses contains
    their ids; consecutive ones share a condition, because a rarely used key has hundreds of them.
    """
    few: list[Any] = []
    for row in ranges:
        if row.uses <= 2:
            few.append(row)
            continue
        if few:
            yield _is_one_of(few)
            few = []
        yield and_(Use.id.between(row.first_id, row.last_id), Use.at.between(row.first_at, row.last_at))
    if few:
        yield _is_one_of(few)


def _is_one_of(few: list[Any]) -> ColumnElement[bool]:
    ids = {id_ for row in few for id_ in (row.first_id, row.last_id)}
    # The times let PostgreSQL skip partitions.
    period = Use.at.between(min(row.first_at for row in few), max(row.last_at for row in few))
    return and_(Use.id.in_(ids), period)
