"""Rows of the key table, with rotated keys in the row of their successor, and sparklines of the last 30 days."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import aliased

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.service import ROWS_ON_A_PAGE, ListedKey, with_usage_counts
from reflow_accounts.api_keys.usage.daily_counts import DayCount, daily_counts_of
from reflow_accounts.database import db, now
from reflow_accounts.users.models import User
from reflow_accounts.web import text
from reflow_accounts.web.pagination import Page, newest_first
from reflow_accounts.web.text import comparable

# Units of the drawing.
HEIGHT, BAR_WIDTH, STEP = 24, 3, 4


@dataclass(frozen=True)
class KeyRow(ListedKey):
    """A row of the table: a key, and the keys that it replaced and that still work."""

    previous: tuple[ListedKey, ...]


def rows_page(owner: User, *, name: str, cursor: str | None) -> Page[KeyRow]:
    """Return one page of rows whose key's name contains `name`, newest first.

    Raises ValidationFailed for an invalid cursor.
    """
    query = select(ApiKey).where(_is_row_of(owner))
    if name:
        # Names that only `comparable` considers equal keep their older folded form (migration 0013).
        terms = (form(name)[: text.LONGEST_TERM] for form in (comparable, text.folded))
        query = query.where(or_(*(ApiKey.folded_name.contains(term, autoescape=True) for term in terms)))
    page = newest_first(query, ApiKey.created_at, ApiKey.id, limit=ROWS_ON_A_PAGE, cursor=cursor)
    previous = previous_keys([key.id for key in page.items])
    usage = {row.key.id: row.usage for row in with_usage_counts([*page.items, *previous])}
    rows = [
        KeyRow(
            key,
            usage[key.id],
            tuple(ListedKey(old, usage[old.id]) for old in previous if old.replaced_by_id == key.id),
        )
        for key in page.items
    ]
    return Page(rows, page.next_cursor)


def count_rows(owner: User) -> int:
    """Return how many rows the whole table has."""
    return db.session.scalar(select(func.count()).select_from(ApiKey).where(_is_row_of(owner))) or 0


def _is_row_of(owner: User) -> ColumnElement[bool]:
    """Return the condition for live keys of the owner that no other live key replaced."""
    new = aliased(ApiKey)
    is_replaced = select(new.id).where(new.id == ApiKey.replaced_by_id, new.revoked_at.is_(None)).exists()
    return (ApiKey.user_id == owner.id) & ApiKey.revoked_at.is_(None) & ~is_replaced


def previous_keys(key_ids: list[int]) -> list[ApiKey]:
    """Return the keys that these replaced and that still work, the newest first."""
    query = select(ApiKey).where(
        ApiKey.replaced_by_id.in_(key_ids), ApiKey.revoked_at.is_(None), ApiKey.expires_at > now()
    )
    return list(db.session.scalars(query.order_by(ApiKey.created_at.desc(), ApiKey.id.desc())))


@dataclass(frozen=True)
class Sparkline:
    """The days of a key, oldest first."""

    days: Sequence[DayCount]

    @property
    def width(self) -> int:
        return len(self.days) * STEP

    @property
    def accepted(self) -> int:
        return sum(day.accepted for day in self.days)

    @property
    def refused(self) -> int:
        return sum(day.refused for day in self.days)

    @property
    def peak(self) -> DayCount:
        """The day with the most uses."""
        return max(self.days, key=lambda day: day.accepted + day.refused)

    @property
    def paths(self) -> tuple[str, str]:
        """The bars of accepted uses and, on top of them, of refused ones: path data, empty without any.

        One path replaces a rectangle for each day, with a tenth of the elements. The highest bar has the height of the
        drawing, and no bar is lower than one unit.
        """
        scale = HEIGHT / max(self.peak.accepted + self.peak.refused, 1)
        accepted, refused = "", ""
        for place, day in enumerate(self.days):
            if count := day.accepted + day.refused:
                whole = max(count * scale, 1.0)
                share = whole * day.refused / count
                accepted += _bar(place * STEP, HEIGHT - whole + share, whole - share)
                refused += _bar(place * STEP, HEIGHT - whole, share)
        return accepted, refused


def _bar(x: int, y: float, height: float) -> str:
    return f"M{x} {y:.1f}h{BAR_WIDTH}v{height:.1f}h-{BAR_WIDTH}z" if round(height, 1) else ""


def sparklines_of(key_ids: Collection[int], zone: tzinfo) -> Mapping[int, Sparkline]:
    """Return the sparkline of each key by its row id, with days as in `zone`."""
    return {key_id: Sparkline(days) for key_id, days in daily_counts_of(key_ids, zone).items()}
