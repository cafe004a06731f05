"""Files that are read from the database and streamed in steps, with limits on concurrent downloads."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from weakref import WeakKeyDictionary

from flask import Flask, current_app, g

from reflow_accounts.database import db
from reflow_accounts.database_errors import describe
from reflow_accounts.errors import Unavailable
from reflow_accounts.users.models import User

# Concurrent downloads of a process, and of one user.
MOST_AT_ONCE = 24
MOST_OF_ONE = 2
# Maximum wait of a step for steps of other downloads.
LONGEST_WAIT_S = 5.0
# Downloads below the minimum speed are aborted after this time.
PATIENCE_SECONDS = 60
SLOWEST_BYTES_A_SECOND = 1024

CUT_SHORT = "This file is not complete. Download it again."
_BUSY = "Other downloads are under way. Try again when they are finished."
_logger = logging.getLogger(__name__)
_running: WeakKeyDictionary[Iterator[bytes], int] = WeakKeyDictionary()
_running_lock = Lock()
_step_lock = Lock()


@dataclass(frozen=True)
class StreamedFile:
    """A file of a user.

    `read` takes the user and the cursor of a step, None for the first one, and returns the next piece and its
    cursor, None at the end. Each step has its own database session, so `read` must not keep database objects.
    `cut_short` is appended to a file that could not be finished.
    """

    read: Callable[[User, str | None], tuple[bytes, str | None]]
    cut_short: bytes


def pieces_of(file: StreamedFile, user: User, *, reader: User) -> Iterable[bytes]:
    """Return the file of `user` for `reader` in pieces: a list when one step suffices, else a stream.

    Between the steps of a stream no transaction is open, and no request context is needed. Raises Unavailable
    while too many downloads are running.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    ids = (user.id, reader.id)
    first, cursor = _read(file, app, ids, None)
    if cursor is None:
        return [first]
    stream = _stream(file, app, ids, first, cursor)
    # A stream is unregistered when it is garbage-collected, whether or not it was read.
    with _running_lock:
        reader_ids = list(_running.values())
        if len(reader_ids) >= MOST_AT_ONCE or reader_ids.count(reader.id) >= MOST_OF_ONE:
            raise Unavailable(_BUSY)
        _running[stream] = reader.id
    return stream


def _stream(
    file: StreamedFile, app: Flask, ids: tuple[int, int], piece: bytes, cursor: str | None
) -> Iterator[bytes]:
    seconds_waited, bytes_sent = 0.0, 0
    while True:
        sent_at = monotonic()
        yield piece
        seconds_waited, bytes_sent = seconds_waited + monotonic() - sent_at, bytes_sent + len(piece)
        if cursor is None:
            return
        if seconds_waited > PATIENCE_SECONDS and bytes_sent < seconds_waited * SLOWEST_BYTES_A_SECOND:
            break
        try:
            piece, cursor = _read(file, app, ids, cursor)
        except Exception as error:  # the headers are sent already, so that only the file itself can report it
            _logger.error("a download ended early: %s", describe(error))
            break
    yield file.cut_short


def _read(
    file: StreamedFile, app: Flask, ids: tuple[int, int], cursor: str | None
) -> tuple[bytes, str | None]:
    """Return the piece of a step and the next cursor, None at the end. Raises Unavailable.

    `ids` are those of the user and of the reader. One step at a time: concurrent steps would not be faster and need
    memory for all their rows.
    """
    if not _step_lock.acquire(timeout=LONGEST_WAIT_S):
        raise Unavailable(_BUSY)
    try:
        with app.app_context():
            g.has_client = True
            user, reader = (db.session.get_one(User, user_id) for user_id in ids)
            if reader.disabled_at:
                raise Unavailable("The account was disabled meanwhile.")
            return file.read(user, cursor)
    finally:
        _step_lock.release()
