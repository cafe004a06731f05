"""The record of uses: how often and when a key was used, and which requests those were."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, insert, select, union_all
from sqlalchemy.orm import joinedload

from reflow_accounts.api_keys.models import ApiKey, Use, UseMark, UseSpan, UseTotal
from reflow_accounts.extensions import db

ACCEPTED = "accepted"
# Spans looked at in one step of a listing.
_SPANS_AT_ONCE = 64


class UseFacts(NamedTuple):
    """One use as it is appended; `outcome` is "accepted" or the error code of the answer."""

    key_id: int
    at: datetime
    method: str
    path: str
    status: int
    outcome: str
    address: str
    user_agent: str


@dataclass(frozen=True)
class Tally:
    """How often a key was used, and when last."""

    count: int = 0
    last_used_at: datetime | None = None


def record(use: UseFacts) -> int:
    """Append one use in the session's transaction and return its number."""
    number: int = db.session.execute(insert(Use).values(use._asdict()).returning(Use.id)).scalar_one()
    return number


def folded_upto() -> ColumnElement[int]:
    """Return, for a statement, the number up to which the uses are folded: 0 before the first fold."""
    return func.coalesce(select(UseMark.upto).scalar_subquery(), 0)


def _in_tail() -> ColumnElement[bool]:
    """Return the condition that a use is not folded yet, in the moment of the statement that has it.

    The mark is there as a plain number too, as it was a moment ago; it only ever grows. Of the subquery
    alone PostgreSQL believes that a third of the log lies beyond it, and reads the whole log.
    """
    grown_past = db.session.scalar(select(folded_upto())) or 0
    return and_(Use.id > folded_upto(), Use.id > grown_past)


def tallies_of(key_ids: Collection[int]) -> Mapping[int, Tally]:
    """Return the exact tally of each key, by the key's number, as of now.

    One statement, and so one moment: what is folded and the tail that is not can neither overlap nor
    leave a gap.
    """
    folded = select(UseTotal.key_id, UseTotal.count, UseTotal.last_used_at)
    tail = select(Use.key_id, func.count(), func.max(Use.at)).where(_in_tail(), Use.key_id.in_(key_ids))
    both = union_all(folded.where(UseTotal.key_id.in_(key_ids)), tail.group_by(Use.key_id)).subquery()
    query = select(both.c.key_id, func.sum(both.c.count), func.max(both.c.last_used_at))
    rows = db.session.execute(query.group_by(both.c.key_id))
    known = {key_id: Tally(int(count), at) for key_id, count, at in rows}
    return {key_id: known.get(key_id, Tally()) for key_id in key_ids}


def last_uses_of(user_ids: Collection[int]) -> Mapping[int, datetime]:
    """Return when a key of each user was last used, by the user's number; nobody who used none is in it.

    One statement, and so one moment, as in `tallies_of`.
    """
    folded = select(ApiKey.user_id, func.max(UseTotal.last_used_at).label("at")).join(
        UseTotal, UseTotal.key_id == ApiKey.id
    )
    tail = select(ApiKey.user_id, func.max(Use.at)).join(Use, Use.key_id == ApiKey.id)
    theirs = ApiKey.user_id.in_(user_ids)
    both = union_all(
        folded.where(theirs).group_by(ApiKey.user_id),
        tail.where(theirs, _in_tail()).group_by(ApiKey.user_id),
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
) -> list[Use]:
    """List up to `limit` uses of these keys, newest first, each with its key.

    `before` continues a list at the number of the last use seen; `since` (inclusive) and `until`
    (exclusive) bound it in time.
    """
    wanted = [Use.key_id.in_(key_ids), *_bounds(before, since, until)]
    mark = db.session.scalar(select(folded_upto())) or 0
    uses = _some(limit, Use.id > mark, *wanted)
    if key_ids and len(uses) < limit:
        for stretch in _stretches(key_ids, mark, before, since, until):
            uses += _some(limit - len(uses), stretch, *wanted)
            if len(uses) >= limit:
                break
    return uses


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
                UseSpan.fold,
                func.sum(UseSpan.count).label("uses"),
                func.min(UseSpan.first_id).label("first_id"),
                func.max(UseSpan.last_id).label("last_id"),
                func.min(UseSpan.first_at).label("first_at"),
                func.max(UseSpan.last_at).label("last_at"),
            )
            .where(UseSpan.key_id.in_(key_ids), UseSpan.fold < low)
            .group_by(UseSpan.fold)
            .order_by(UseSpan.fold.desc())
            .limit(_SPANS_AT_ONCE)
        )
        if before is not None:
            query = query.where(UseSpan.first_id < before)
        if since is not None:
            query = query.where(UseSpan.last_at >= since)
        if until is not None:
            query = query.where(UseSpan.first_at < until)
        spans = db.session.execute(query).all()
        yield from _ranges(spans)
        if len(spans) < _SPANS_AT_ONCE:
            return
        low = spans[-1][0]


def _ranges(spans: Sequence[Any]) -> Iterator[ColumnElement[bool]]:
    """Turn spans into conditions that a database answers by number alone, never by reading the whole log.

    A span of several uses is one range. Single uses that follow one another are asked for together: a
    key that is used now and then has hundreds of spans of one.
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
