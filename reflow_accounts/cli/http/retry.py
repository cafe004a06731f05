"""Retries safe requests after temporary failures."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from reflow_accounts.cli.errors import Unreachable
from reflow_accounts.cli.output import tell

if TYPE_CHECKING:
    from datetime import datetime
    from email.message import Message

    from reflow_accounts.cli.http.transport import Reply

LONGEST_WAIT = 60  # seconds, for all delays together
MOST_REPEATS = 2
SAFE = ("GET", "HEAD")
_TOO_MANY = 429
# A gateway without an answer, an overloaded server, or too many requests.
_TEMPORARY = (_TOO_MANY, 502, 503, 504)
_LONGEST_NUMBER = 9  # digits


def with_retries(
    send: Callable[[], Reply], method: str, server: str, may_repeat: Callable[[], bool]
) -> Reply:
    """Return the reply of `send`. Raises Unreachable.

    A GET or HEAD is repeated up to twice after status 429, 502, 503 or 504 and after a refused or broken
    connection, while `may_repeat` returns true. Other requests are not: they may have had an effect. Each delay
    is announced on stderr.
    """
    left: float = LONGEST_WAIT
    for attempt in range(MOST_REPEATS + 1):
        is_last = attempt == MOST_REPEATS or method not in SAFE
        try:
            reply = send()
        except Unreachable as fault:
            if is_last or not fault.is_brief or not may_repeat():
                raise
            seconds: float = _backoff(attempt)
            why = "cannot be reached just now"
        else:
            if is_last or reply.status not in _TEMPORARY or not may_repeat():
                return reply
            asked_for = retry_after(reply.headers)
            seconds = _backoff(attempt) if asked_for is None else asked_for
            if seconds > left:
                return reply
            is_busy = reply.status == _TOO_MANY
            why = "is limiting requests" if is_busy else "is not available just now"
            why += f" (status {reply.status})"
        left -= seconds
        tell(f"{server} {why}. Trying again in {ceil(seconds)} s.")
        time.sleep(seconds)
    raise AssertionError("the last attempt returns or raises")


def _backoff(attempt: int) -> float:
    """Return an exponential delay with jitter: 0.5 to 1 s, then 1 to 2 s."""
    jitter = int.from_bytes(os.urandom(2), "big") / 2**16
    return float(2**attempt * (0.5 + jitter / 2))


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
