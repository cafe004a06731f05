"""Keyset pagination: a cursor identifies the last row of a page, so that new rows do not shift the next page."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, or_

from reflow_accounts.database import db
from reflow_accounts.errors import NotFound, ValidationFailed

DEFAULT_LIMIT = 50
HIGHEST_LIMIT = 200
HIGHEST_NUMBER = 10**18 - 1
NOT_A_CURSOR = "Use the next_cursor of the previous page, unchanged"
NO_SUCH_ENTRY = "No entry of this list has the id given as after."
# Prefix of cursors, so that a plain number is not accepted as one.
_PREFIX = "c"
_NUMBER, _DOT = "[0-9]{1,18}", r"\."

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND

Row = TypeVar("Row")


def cursor_pattern(size: int) -> str:
    """Return the regular expression of a cursor of `size` numbers.

    Every match is a valid cursor, so that the OpenAPI document can state it as a pattern.
    """
    return f"^{_PREFIX}{_DOT.join([_NUMBER] * size)}$"


def write_cursor(*numbers: int) -> str:
    """Return a cursor of these numbers, each from 0 to HIGHEST_NUMBER."""
    return _PREFIX + ".".join(map(str, numbers))


def read_cursor(cursor: str | None, size: int) -> tuple[int, ...] | None:
    """Return the `size` numbers of a cursor, or None without one. Raises ValidationFailed for other text."""
    if not cursor:
        return None
    if not re.fullmatch(cursor_pattern(size), cursor):
        raise ValidationFailed(cursor=NOT_A_CURSOR)
    return tuple(map(int, cursor.removeprefix(_PREFIX).split(".")))


@dataclass(frozen=True)
class Position:
    """The position of a row in a list ordered by time and then number, newest first."""

    at: datetime
    number: int

    @property
    def numbers(self) -> tuple[int, int]:
        """The position as numbers for a cursor: microseconds since 1970, number."""
        return (self.at - _EPOCH) // _MICROSECOND, self.number

    @classmethod
    def of(cls, numbers: tuple[int, ...] | None) -> "Position | None":
        """Return the position from the numbers of a cursor."""
        if numbers is None:
            return None
        return cls(_EPOCH + min(numbers[0], _LAST) * _MICROSECOND, numbers[1])


def older_than(at: Any, number: Any, position: Position) -> ColumnElement[bool]:
    """Return the condition that a row (columns `at`, `number`) comes after `position`, newest first."""
    # Begins with a range, so that an index on the two columns leads to the position.
    return and_(at <= position.at, or_(at < position.at, number < position.number))


def newer_than(at: Any, number: Any, position: Position) -> ColumnElement[bool]:
    """Return the condition that a row (columns `at`, `number`) comes before `position`, newest first."""
    return and_(at >= position.at, or_(at > position.at, number > position.number))


def read_entry_id(entry_id: str, prefix: str) -> int:
    """Return the number in the id of an entry: 7 for `use_7`. Raises NotFound for other text."""
    if not re.fullmatch(prefix + _NUMBER, entry_id):
        raise NotFound(NO_SUCH_ENTRY)
    return int(entry_id.removeprefix(prefix))


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows, and the cursor of the next page (None at the end)."""

    items: Sequence[Row]
    next_cursor: str | None

    @classmethod
    def cut(cls, rows: Sequence[Row], limit: int, numbers: Callable[[Row], tuple[int, ...]]) -> "Page[Row]":
        """Return a page of up to `limit` rows; `rows` has one more if there is a next page.

        `numbers` returns the cursor numbers of a row.
        """
        items = rows[:limit]
        has_more = len(rows) > limit
        return cls(items, write_cursor(*numbers(items[-1])) if has_more else None)


def oldest_first(query: Select[Any], at: Any, number: Any, *, limit: int, cursor: str | None) -> Page[Any]:
    """Return one page of the rows that `query` selects, as `newest_first` does, oldest first."""
    if after := Position.of(read_cursor(cursor, 2)):
        query = query.where(newer_than(at, number, after))
    return _page(query.order_by(at, number), at, number, limit)


def newest_first(query: Select[Any], at: Any, number: Any, *, limit: int, cursor: str | None) -> Page[Any]:
    """Return one page of the rows that `query` selects, ordered by their columns `at` and `number`, newest first.

    Raises ValidationFailed for an invalid cursor.
    """
    if before := Position.of(read_cursor(cursor, 2)):
        query = query.where(older_than(at, number, before))
    return _page(query.order_by(at.desc(), number.desc()), at, number, limit)


def _page(query: Select[Any], at: Any, number: Any, limit: int) -> Page[Any]:
    rows = db.session.scalars(query.limit(limit + 1)).all()
    return Page.cut(rows, limit, lambda row: Position(getattr(row, at.key), getattr(row, number.key)).numbers)
