"""Count the log of uses again and compare with what the totals say, key by key."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, null, select, type_coerce, union_all

from reflow_accounts.api_keys.models import ApiKey, Use, UseTotal
from reflow_accounts.api_keys.recorder import folded_upto
from reflow_accounts.extensions import UTCDateTime, db


@dataclass(frozen=True)
class Difference:
    """A key whose total is not what its log says."""

    key_id: str
    counted: int
    logged: int
    last_counted_at: datetime | None
    last_logged_at: datetime | None


def differences() -> Iterator[Difference]:
    """Yield every key whose folded total differs from its log (uses that were pruned taken into account).

    One statement, and so one moment: it may run while the service does.
    """
    mark = folded_upto()
    totals = select(
        UseTotal.key_id,
        (UseTotal.count - UseTotal.pruned).label("counted"),
        (UseTotal.count * 0).label("logged"),
        UseTotal.pruned.label("pruned"),
        UseTotal.last_used_at.label("last_counted_at"),
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
    for public_id, key_id, in_total, in_log, gone, total_at, log_at in db.session.execute(query):
        # The newest use may have been pruned; then the log knows only an older one, or none.
        is_late = total_at != log_at and not (gone and (log_at is None or log_at < total_at))
        if in_total != in_log or is_late:
            name = public_id or f"(no key with number {key_id})"
            yield Difference(name, int(in_total + gone), int(in_log + gone), total_at, log_at)


def count_keys() -> int:
    """Return how many keys have a total."""
    return db.session.scalar(select(func.count()).select_from(UseTotal)) or 0
