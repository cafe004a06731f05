"""Repeats requests that the server refused for now: how long to wait, and how often."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from reflow_accounts.cli.output import tell

if TYPE_CHECKING:
    from datetime import datetime
    from email.message import Message

    from reflow_accounts.cli.http.transport import Reply

LONGEST_WAIT = 60  # seconds, all delays together
MOST_RETRIES = 3  # after 429: the request was refused, whatever its method
MOST_REPEATS = 2  # after 503: it may have been processed, so only safe methods are repeated
SAFE = ("GET", "HEAD")
_TOO_MANY, _UNAVAILABLE = 429, 503
_LONGEST_NUMBER = 9  # digits


def with_retries(send: Callable[[], Reply], method: str, server: str) -> Reply:
    """Return the reply of `send`, which is repeated after a 429, and for GET and HEAD after a 503.

    Each delay is announced on stderr.
    """
    schedule = _Schedule(method)
    while True:
        reply = send()
        seconds = schedule.delay_after(reply)
        if seconds is None:
            return reply
        why = (
            "takes no more requests for a moment"
            if reply.status == _TOO_MANY
            else "is not available just now"
        )
        tell(f"{server} {why} (status {reply.status}). Trying again in {ceil(seconds)} s.")
        time.sleep(seconds)


class _Schedule:
    def __init__(self, method: str) -> None:
        self._is_safe = method in SAFE
        self._retries = {_TOO_MANY: 0, _UNAVAILABLE: 0}
        self._left: float = LONGEST_WAIT

    def delay_after(self, reply: Reply) -> float | None:
        """Return the delay in seconds before the next attempt, or None to make none."""
        if reply.status == _TOO_MANY:
            may_retry = self._retries[_TOO_MANY] < MOST_RETRIES
        else:
            is_repeatable = reply.status == _UNAVAILABLE and self._is_safe
            may_retry = is_repeatable and self._retries[_UNAVAILABLE] < MOST_REPEATS
        if not may_retry:
            return None
        seconds: float | None = retry_after(reply.headers)
        if seconds is None and reply.status == _UNAVAILABLE:
            # Exponential backoff with jitter: 0.5 to 1 s, then 1 to 2 s.
            jitter = int.from_bytes(os.urandom(2), "big") / 2**16
            seconds = 2 ** self._retries[_UNAVAILABLE] * (0.5 + jitter / 2)
        if seconds is None or seconds > self._left:
            return None
        self._retries[reply.status] += 1
        self._left -= seconds
        return seconds


def retry_after(headers: Message) -> int | None:
    """Return the seconds in the header Retry-After (RFC 9110, section 10.2.3), or None.

    A date is compared with the Date header of the same answer, because the local clock may be wrong.
    """
    from datetime import UTC, datetime

    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdecimal():
        return int(value) if len(value) <= _LONGEST_NUMBER else 10**_LONGEST_NUMBER
    until = http_date(value)
    if until is None:
        return None
    now = http_date(headers.get("Date") or "") or datetime.now(UTC)
    return max(0, ceil((until - now).total_seconds()))


def http_date(value: str) -> datetime | None:
    """Return the time in a header (RFC 9110, section 5.6.7), or None."""
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
