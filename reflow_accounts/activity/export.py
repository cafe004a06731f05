"""CSV export of the activity, read and streamed in steps."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from weakref import WeakKeyDictionary

from flask import Flask, current_app, g

from reflow_accounts.activity.lines import heading, lines_of, remark
from reflow_accounts.activity.service import EVERYTHING, Filter, activity_of
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db
from reflow_accounts.errors import Unavailable
from reflow_accounts.users.models import User

LINES_AT_ONCE = 200
# Concurrent downloads of a process, and of one user.
MOST_AT_ONCE = 24
MOST_OF_ONE = 2
# Maximum wait of a step for the steps of other downloads.
LONGEST_WAIT_S = 5.0
# After this time, slower downloads are aborted.
PATIENCE_SECONDS = 60
SLOWEST_BYTES_A_SECOND = 1024

CUT_SHORT = "This file is not complete. Download it again."
_BUSY = "Other downloads are under way. Nothing was changed. Try again when they are finished."
_logger = logging.getLogger(__name__)
_running: WeakKeyDictionary[Iterator[bytes], int] = WeakKeyDictionary()
_running_lock = Lock()
_step_lock = Lock()


@dataclass(frozen=True)
class _Query:
    """The content of a file in plain values, because each step has its own database session."""

    app: Flask
    user_id: int
    key_id: int | None
    where: Filter
    team_ids: tuple[int, ...] | None
    uses_only: bool


def file_of(
    user: User,
    *,
    key: ApiKey | None = None,
    where: Filter = EVERYTHING,
    team_ids: tuple[int, ...] | None = None,
    uses_only: bool = False,
) -> Iterable[bytes]:
    """Return the file in pieces, newest line first: a list when it is short, else a stream.

    The stream reads a page of the activity for each piece, without an open transaction in between and outside
    of the request context. New uses do not shift it. An incomplete file ends with a line that says so. Raises
    Unavailable while too many downloads are running.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    query = _Query(app, user.id, key.id if key else None, where, team_ids, uses_only)
    first, cursor = _read(query, None)
    if cursor is None:
        return [heading() + first]
    return _registered(_stream(query, heading() + first, cursor), user.id)


def _registered(stream: Iterator[bytes], user_id: int) -> Iterator[bytes]:
    # A stream is unregistered when it is garbage-collected, whether or not it was read.
    with _running_lock:
        user_ids = list(_running.values())
        if len(user_ids) >= MOST_AT_ONCE or user_ids.count(user_id) >= MOST_OF_ONE:
            raise Unavailable(_BUSY)
        _running[stream] = user_id
    return stream


def _stream(query: _Query, piece: bytes, cursor: str | None) -> Iterator[bytes]:
    waited, sent = 0.0, 0
    while True:
        asked_at = monotonic()
        yield piece
        waited, sent = waited + monotonic() - asked_at, sent + len(piece)
        if cursor is None:
            return
        if waited > PATIENCE_SECONDS and sent < waited * SLOWEST_BYTES_A_SECOND:
            break
        try:
            piece, cursor = _read(query, cursor)
        except Exception as error:  # the headers are sent already: only a line can report it
            _logger.error("an export ended early: %s", type(error).__name__)
            break
    yield remark(CUT_SHORT)


def _read(query: _Query, cursor: str | None) -> tuple[bytes, str | None]:
    """Return the next lines and the next cursor, None at the end. Raises Unavailable.

    One step at a time: concurrent steps would not be faster and need memory for all their rows.
    """
    if not _step_lock.acquire(timeout=LONGEST_WAIT_S):
        raise Unavailable(_BUSY)
    try:
        return _read_step(query, cursor)
    finally:
        _step_lock.release()


def _read_step(query: _Query, cursor: str | None) -> tuple[bytes, str | None]:
    """Read a step in a session of its own."""
    with query.app.app_context():
        g.has_client = True
        user = db.session.get_one(User, query.user_id)
        if user.is_person and user.disabled_at:
            raise Unavailable("The account was disabled meanwhile.")
        key = db.session.get_one(ApiKey, query.key_id) if query.key_id else None
        page = activity_of(
            user,
            limit=LINES_AT_ONCE,
            cursor=cursor,
            where=query.where,
            key=key,
            team_ids=query.team_ids,
            uses_only=query.uses_only,
        )
        return lines_of(page.items), page.next_cursor
