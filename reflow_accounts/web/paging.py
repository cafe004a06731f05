"""Pages of a long list by keyset: a cursor names the last row seen, so that new rows shift nothing."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, and_, or_

from reflow_accounts.errors import ValidationFailed

DEFAULT_LIMIT = 50
HIGHEST_LIMIT = 200

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Row = TypeVar("Row")


def write_cursor(*numbers: int) -> str:
    """Return the cursor that holds these numbers."""
    return base64.urlsafe_b64encode(json.dumps(numbers).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, size: int) -> tuple[int, ...] | None:
    """Return the `size` numbers that a cursor holds; None for no cursor. Raises ValidationFailed for others."""
    if not cursor:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        numbers = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, RecursionError, binascii.Error):
        numbers = None
    is_ours = isinstance(numbers, list) and len(numbers) == size
    if not is_ours or not all(type(number) is int and abs(number) < 2**63 for number in numbers):
        raise ValidationFailed(cursor="Use the next_cursor of the page before, unchanged")
    return tuple(numbers)


@dataclass(frozen=True)
class Position:
    """The place of a row in a list ordered by time and then number, newest first."""

    at: datetime
    number: int

    @property
    def numbers(self) -> tuple[int, int]:
        """The position as numbers for a cursor: microseconds since 1970, number."""
        return (self.at - _EPOCH) // _MICROSECOND, self.number

    @classmethod
    def of(cls, numbers: tuple[int, ...] | None) -> "Position | None":
        """Return the position that the numbers of a cursor mean. Raises ValidationFailed."""
        if numbers is None:
            return None
        try:
            return cls(_EPOCH + numbers[0] * _MICROSECOND, numbers[1])
        except OverflowError:
            raise ValidationFailed(cursor="Use the next_cursor of the page before, unchanged") from None


def older_than(at: Any, number: Any, position: Position) -> ColumnElement[bool]:
    """Return the condition that a row (columns `at`, `number`) comes after `position`, newest first."""
    return or_(at < position.at, and_(at == position.at, number < position.number))


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, and the cursor of the rows after them (None at the end)."""

    items: Sequence[Row]
    next_cursor: str | None

    @classmethod
    def cut(cls, rows: Sequence[Row], limit: int, numbers: Callable[[Row], tuple[int, ...]]) -> "Page[Row]":
        """Make a page of `limit` rows out of up to `limit` + 1: the one too many says that more follow.

        `numbers` are those of the cursor that goes on after a row.
        """
        items = rows[:limit]
        has_more = len(rows) > limit
        return cls(items, write_cursor(*numbers(items[-1])) if has_more else None)
