"""The activity as one CSV file, read and sent in steps, however long it is."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import monotonic
from weakref import WeakKeyDictionary

from flask import Flask, current_app, g

from reflow_accounts.activity.lines import heading, lines_of, remark
from reflow_accounts.activity.service import activity_of
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db
from reflow_accounts.errors import Unavailable
from reflow_accounts.users.models import User

LINES_AT_ONCE = 200
# Files that a process sends at once, and that it sends to one person: whoever reads slowly holds one.
MOST_AT_ONCE = 24
MOST_OF_ONE = 2
# A step waits so long for the steps of other downloads.
LONGEST_WAIT_S = 5.0
# Who reads more slowly than this, after a while of waiting, is given up.
PATIENCE_SECONDS = 60
SLOWEST_BYTES_A_SECOND = 1024

CUT_SHORT = "This file is not complete. Download it again."
_BUSY = "Other downloads are under way. Nothing was changed. Try again when they are finished."
_logger = logging.getLogger(__name__)
_under_way: WeakKeyDictionary[Iterator[bytes], int] = WeakKeyDictionary()
_turn = Lock()
_reading = Lock()


@dataclass(frozen=True)
class _Wanted:
    """What a file is about, in plain values: each step has a session of its own."""

    app: Flask
    user_id: int
    key_id: int | None
    since: datetime | None
    team_ids: tuple[int, ...] | None
    uses_only: bool


def file_of(
    user: User,
    *,
    key: ApiKey | None = None,
    since: datetime | None = None,
    team_ids: tuple[int, ...] | None = None,
    uses_only: bool = False,
) -> Iterable[bytes]:
    """Return the file in pieces, newest line first: a list when it is short, else a stream.

    The stream reads on only as the pieces are taken, holds no transaction meanwhile, and needs no
    request around it. Uses that are new since do not shift it. It ends with a line that says so when
    it cannot be finished. Raises Unavailable while too many are under way.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    wanted = _Wanted(app, user.id, key.id if key else None, since, team_ids, uses_only)
    first, cursor = _read(wanted, None)
    if cursor is None:
        return [heading() + first]
    return _admitted(_stream(wanted, heading() + first, cursor), user.id)


def _admitted(stream: Iterator[bytes], user_id: int) -> Iterator[bytes]:
    # Whoever is never asked for a piece leaves by being forgotten, like the others.
    with _turn:
        those = list(_under_way.values())
        if len(those) >= MOST_AT_ONCE or those.count(user_id) >= MOST_OF_ONE:
            raise Unavailable(_BUSY)
        _under_way[stream] = user_id
    return stream


def _stream(wanted: _Wanted, piece: bytes, cursor: str | None) -> Iterator[bytes]:
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
            piece, cursor = _read(wanted, cursor)
        except Exception as error:  # the answer began long ago: only a line can say that it ends too early
            _logger.error("an export ended early: %s", type(error).__name__)
            break
    yield remark(CUT_SHORT)


def _read(wanted: _Wanted, cursor: str | None) -> tuple[bytes, str | None]:
    """Return the next lines and where to go on, None at the end. Raises Unavailable.

    One step at a time: many at once would take no less time, and the memory of all their rows.
    """
    if not _reading.acquire(timeout=LONGEST_WAIT_S):
        raise Unavailable(_BUSY)
    try:
        return _read_step(wanted, cursor)
    finally:
        _reading.release()


def _read_step(wanted: _Wanted, cursor: str | None) -> tuple[bytes, str | None]:
    """The session ends with the step."""
    with wanted.app.app_context():
        g.has_client = True
        user = db.session.get_one(User, wanted.user_id)
        if user.is_person and user.disabled_at:
            raise Unavailable("The account was disabled meanwhile.")
        key = db.session.get_one(ApiKey, wanted.key_id) if wanted.key_id else None
        page = activity_of(
            user,
            limit=LINES_AT_ONCE,
            cursor=cursor,
            since=wanted.since,
            key=key,
            team_ids=wanted.team_ids,
            uses_only=wanted.uses_only,
        )
        return lines_of(page.items), page.next_cursor
