"""Asking again, when the server said that it did nothing: how long to wait, and how often."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from reflow_accounts.cli.context import tell

if TYPE_CHECKING:
    from datetime import datetime
    from email.message import Message

    from reflow_accounts.cli.http.transport import Reply

LONGEST_WAIT = 60  # seconds, all waits together
MOST_WAITS = 3  # after 429: the request was refused, whatever its method
MOST_REPEATS = 2  # after 503: it may have begun, so only what changes nothing is repeated
SAFE = ("GET", "HEAD")
_TOO_MANY, _UNAVAILABLE = 429, 503
_LONGEST_NUMBER = 9  # digits


def answered(ask: Callable[[], Reply], method: str, server: str) -> Reply:
    """Return the answer to `ask`, which is asked again while the server says when, and that is soon.

    429 is waited out for every method, 503 for GET and HEAD alone. What is waited for is said.
    """
    patience = _Patience(method)
    while True:
        reply = ask()
        seconds = patience.pause_after(reply)
        if seconds is None:
            return reply
        why = (
            "takes no more requests for a moment"
            if reply.status == _TOO_MANY
            else "is not available just now"
        )
        tell(f"{server} {why} (status {reply.status}). Trying again in {ceil(seconds)} s.")
        time.sleep(seconds)


def seconds_until_retry(headers: Message) -> int | None:
    """Return what the header Retry-After says (RFC 9110, section 10.2.3), or None when it says nothing.

    A date is compared with that of the answer itself: our clock may be wrong.
    """
    words = (headers.get("Retry-After") or "").strip()
    if words.isascii() and words.isdecimal():
        return int(words) if len(words) <= _LONGEST_NUMBER else 10**_LONGEST_NUMBER
    until = date_in(words)
    if until is None:
        return None
    now = date_in(headers.get("Date") or "") or _now()
    return max(0, ceil((until - now).total_seconds()))


class _Patience:
    def __init__(self, method: str) -> None:
        self._is_safe = method in SAFE
        self._waits = {_TOO_MANY: 0, _UNAVAILABLE: 0}
        self._left: float = LONGEST_WAIT

    def pause_after(self, reply: Reply) -> float | None:
        """Return how many seconds to wait before the next try, or None when there is to be none."""
        if not self._may_repeat(reply.status):
            return None
        seconds: float | None = seconds_until_retry(reply.headers)
        if seconds is None and reply.status == _UNAVAILABLE:
            seconds = _backoff(self._waits[_UNAVAILABLE])
        if seconds is None or seconds > self._left:
            return None
        self._waits[reply.status] += 1
        self._left -= seconds
        return seconds

    def _may_repeat(self, status: int) -> bool:
        if status == _TOO_MANY:
            return self._waits[status] < MOST_WAITS
        return status == _UNAVAILABLE and self._is_safe and self._waits[status] < MOST_REPEATS


def _backoff(before: int) -> float:
    """Return half a second to one, then twice that: not all callers come back in the same moment."""
    chance = int.from_bytes(os.urandom(2), "big") / 2**16
    return float(2**before * (0.5 + chance / 2))


def date_in(words: str) -> datetime | None:
    """Return the time that a header holds (RFC 9110, section 5.6.7), or None."""
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(words)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _now() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC)
