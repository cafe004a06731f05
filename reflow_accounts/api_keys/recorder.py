"""The record of uses: append one durably, count them, list them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, insert, select
from sqlalchemy.orm import contains_eager

from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.extensions import db, now
from reflow_accounts.web.paging import Position, older_than

ACCEPTED = "accepted"


@dataclass(frozen=True)
class Tally:
    """How often a key was used, and when last."""

    count: int = 0
    last_used_at: datetime | None = None


def record(
    key_id: int, *, method: str, path: str, status: int, outcome: str, address: str, user_agent: str
) -> None:
    """Append one use to the current transaction; it counts once the caller has committed.

    `outcome` is "accepted" or the error code that the answer carries. The door commits before it
    lets the answer go, so that an answer that was sent has been counted.
    """
    db.session.execute(
        insert(Use).values(
            key_id=key_id,
            at=now(),
            method=method[:10],
            path=path,
            status=status,
            outcome=outcome,
            address=address,
            user_agent=user_agent,
        )
    )


def tallies_of(key_ids: Collection[int]) -> Mapping[int, Tally]:
    """Return the exact tally of each key, by the key's number, as of now."""
    query = select(Use.key_id, func.count(), func.max(Use.at)).where(Use.key_id.in_(key_ids))
    known = {key_id: Tally(count, at) for key_id, count, at in db.session.execute(query.group_by(Use.key_id))}
    return {key_id: known.get(key_id, Tally()) for key_id in key_ids}


def uses_of_key(
    key: ApiKey,
    *,
    limit: int,
    before: Position | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Use]:
    """List up to `limit` uses of one key, newest first; the bounds are those of `uses_of_user`."""
    return _listed(Use.key_id == key.id, limit, before, since, until)


def uses_of_user(
    user_id: int,
    *,
    limit: int,
    before: Position | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Use]:
    """List up to `limit` uses of all keys of a user, newest first.

    `before` continues a list, `since` (inclusive) and `until` (exclusive) bound it.
    """
    return _listed(ApiKey.user_id == user_id, limit, before, since, until)


def _listed(
    whose: ColumnElement[bool],
    limit: int,
    before: Position | None,
    since: datetime | None,
    until: datetime | None,
) -> list[Use]:
    query = select(Use).join(Use.key).where(whose).options(contains_eager(Use.key))
    if before:
        query = query.where(older_than(Use.at, Use.id, before))
    if since:
        query = query.where(Use.at >= since)
    if until:
        query = query.where(Use.at < until)
    return list(db.session.scalars(query.order_by(Use.at.desc(), Use.id.desc()).limit(limit)))
