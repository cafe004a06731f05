"""Pages of a long list by keyset: a cursor names the last row seen, so that new rows shift nothing."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, and_, or_

from reflow_accounts.errors import ValidationFailed

DEFAULT_LIMIT = 50
HIGHEST_LIMIT = 200

Row = TypeVar("Row")


@dataclass(frozen=True)
class Position:
    """The place of a row in a list ordered by time and then number, newest first."""

    at: datetime
    number: int

    def __str__(self) -> str:
        words = json.dumps([round(self.at.timestamp() * 1_000_000), self.number])
        return base64.urlsafe_b64encode(words.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, cursor: str | None) -> "Position | None":
        """Return the position that `cursor` names. Raises ValidationFailed for any other text."""
        if not cursor:
            return None
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            microseconds, number = json.loads(base64.urlsafe_b64decode(padded))
            seconds, rest = divmod(int(microseconds), 1_000_000)
            at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
            if abs(int(number)) >= 2**63:
                raise ValueError(number)
            return cls(at, int(number))
        except (ValueError, TypeError, OverflowError, OSError, RecursionError, binascii.Error):
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
    def cut(cls, rows: Sequence[Row], limit: int, position: Callable[[Row], Position]) -> "Page[Row]":
        """Make a page of `limit` rows out of up to `limit` + 1: the one too many says that more follow."""
        items = rows[:limit]
        has_more = len(rows) > limit
        return cls(items, str(position(items[-1])) if has_more else None)
