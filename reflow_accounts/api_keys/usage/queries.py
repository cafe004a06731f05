"""How often and when a key was used, and which requests those were."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, union_all
from sqlalchemy.orm import joinedload

from reflow_accounts.api_keys.models import USE_ID_PREFIX, ApiKey, RollupCursor, UsageRange, UsageTotal, Use
from reflow_accounts.database import db
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.web.pagination import NO_SUCH_ENTRY, Position, newer_than, read_entry_id

# Ranges looked at in one step of a listing.
_SPANS_AT_ONCE = 64


@dataclass(frozen=True)
class UsageCount:
    """How often a key was used, and when last."""

    count: int = 0
    last_used_at: datetime | None = None


def rolled_up_to() -> ColumnElement[int]:
    """Return, for a statement, the number up to which the uses are rolled up: 0 before the first roll-up."""
    return func.coalesce(select(RollupCursor.upto).scalar_subquery(), 0)


def _is_not_rolled_up() -> ColumnElement[bool]:
    """Return the condition that a use is not rolled up yet, in the moment of the statement that has it.

    The cursor is there as a plain number too, as it was a moment ago; it only ever grows. Of the subquery
    alone PostgreSQL believes that a third of the log lies beyond it, and reads the whole log.
    """
    grown_past = db.session.scalar(select(rolled_up_to())) or 0
    return and_(Use.id > rolled_up_to(), Use.id > grown_past)


def usage_counts_of(key_ids: Collection[int]) -> Mapping[int, UsageCount]:
    """Return the exact usage of each key, by the key's number, as of now.

    One statement, and so one moment: rolled up totals and unrolled rows can neither overlap nor
    leave a gap.
    """
    folded = select(UsageTotal.key_id, UsageTotal.count, UsageTotal.last_used_at)
    tail = select(Use.key_id, func.count(), func.max(Use.at)).where(
        _is_not_rolled_up(), Use.key_id.in_(key_ids)
    )
    both = union_all(folded.where(UsageTotal.key_id.in_(key_ids)), tail.group_by(Use.key_id)).subquery()
    query = select(both.c.key_id, func.sum(both.c.count), func.max(both.c.last_used_at))
    rows = db.session.execute(query.group_by(both.c.key_id))
    known = {key_id: UsageCount(int(count), at) for key_id, count, at in rows}
    return {key_id: known.get(key_id, UsageCount()) for key_id in key_ids}


def last_uses_of(user_ids: Collection[int]) -> Mapping[int, datetime]:
    """Return when a key of each user was last used, by the user's number; nobody who used none is in it.

    One statement, and so one moment, as in `usage_counts_of`.
    """
    folded = select(ApiKey.user_id, func.max(UsageTotal.last_used_at).label("at")).join(
        UsageTotal, UsageTotal.key_id == ApiKey.id
    )
    tail = select(ApiKey.user_id, func.max(Use.at)).join(Use, Use.key_id == ApiKey.id)
    theirs = ApiKey.user_id.in_(user_ids)
    both = union_all(
        folded.where(theirs).group_by(ApiKey.user_id),
        tail.where(theirs, _is_not_rolled_up()).group_by(ApiKey.user_id),
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
    after: Position | None = None,
) -> list[Use]:
    """List up to `limit` uses of these keys, newest first, each with its key.

    `before` continues a list at the number of the last use seen; `since` (inclusive) and `until`
    (exclusive) bound it in time; `after` keeps the uses that are newer than that position.
    """
    wanted = [Use.key_id.in_(key_ids), *_bounds(before, since, until)]
    if after:
        since = max(since or after.at, after.at)
        wanted.append(newer_than(Use.at, Use.id, after))
    mark = db.session.scalar(select(rolled_up_to())) or 0
    uses = _some(limit, Use.id > mark, *wanted)
    if key_ids and len(uses) < limit:
        for stretch in _stretches(key_ids, mark, before, since, until):
            uses += _some(limit - len(uses), stretch, *wanted)
            if len(uses) >= limit:
                break
    return uses


def position_of_use(key_ids: Collection[int], use_id: str) -> Position:
    """Return the position of a use of these keys, by its public id. Raises ValidationFailed for other ids."""
    number = read_entry_id(use_id, USE_ID_PREFIX)
    at = db.session.scalar(select(Use.at).where(Use.id == number, Use.key_id.in_(key_ids)))
    if at is None:
        raise ValidationFailed(after=NO_SUCH_ENTRY)
    return Position(at, number)


def _some(limit: int, *conditions: ColumnElement[bool]) -> list[Use]:
    query = select(Use).where(*conditions).options(joinedload(Use.key, innerjoin=True))
    return list(db.session.scalars(query.order_by(Use.id.desc()).limit(limit)))


def _bounds(before: int | None, since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    found = []
    if before is not None:
        found.append(Use.id < before)
    if since is not None:
        found.append(Use.at >= since)
    if until is not None:
        found.append(Use.at < until)
    return found


def _stretches(
    key_ids: Collection[int],
    mark: int,
    before: int | None,
    since: datetime | None,
    until: datetime | None,
) -> Iterator[ColumnElement[bool]]:
    """Yield, newest first, conditions for the stretches of the log in which uses of the keys lie."""
    low = mark + 1
    while True:
        query = (
            select(
                UsageRange.fold,
                func.sum(UsageRange.count).label("uses"),
                func.min(UsageRange.first_id).label("first_id"),
                func.max(UsageRange.last_id).label("last_id"),
                func.min(UsageRange.first_at).label("first_at"),
                func.max(UsageRange.last_at).label("last_at"),
            )
            .where(UsageRange.key_id.in_(key_ids), UsageRange.fold < low)
            .group_by(UsageRange.fold)
            .order_by(UsageRange.fold.desc())
            .limit(_SPANS_AT_ONCE)
        )
        if before is not None:
            query = query.where(UsageRange.first_id < before)
        if since is not None:
            query = query.where(UsageRange.last_at >= since)
        if until is not None:
            query = query.where(UsageRange.first_at < until)
        spans = db.session.execute(query).all()
        yield from _ranges(spans)
        if len(spans) < _SPANS_AT_ONCE:
            return
        low = spans[-1][0]


def _ranges(spans: Sequence[Any]) -> Iterator[ColumnElement[bool]]:
    """Turn ranges into conditions that a database answers by number alone, never by reading the whole log.

    A range of several uses is one condition. Single uses that follow one another are asked for together: a
    key that is used now and then has hundreds of ranges of one.
    """
    single: list[Any] = []
    for span in spans:
        if span.uses == 1:
            single.append(span)
            continue
        if single:
            yield _by_numbers(single)
            single = []
        yield and_(Use.id.between(span.first_id, span.last_id), Use.at.between(span.first_at, span.last_at))
    if single:
        yield _by_numbers(single)


def _by_numbers(spans: list[Any]) -> ColumnElement[bool]:
    # The times let PostgreSQL pass over the months between.
    span_of_time = Use.at.between(min(span.first_at for span in spans), max(span.last_at for span in spans))
    return and_(Use.id.in_([span.first_id for span in spans]), span_of_time)
