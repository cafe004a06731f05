"""Records requests whose key was refused: known keys before the answer, canaries by a background job."""

import logging
from collections import deque
from collections.abc import Callable
from functools import partial

from flask import Flask, Response, current_app, g

from reflow_accounts.api_keys.refused_requests import (
    REASONS,
    RefusedRequest,
    note_presentation,
    record_refusal,
)
from reflow_accounts.contract import Code
from reflow_accounts.database import db, now
from reflow_accounts.database_errors import describe
from reflow_accounts.web.request_info import Client, client

_UNKNOWN = 0
# Maximum requests with unknown keys that wait for the job; the oldest ones are dropped.
_MOST_WAITING = 10_000
_waiting: deque[tuple[str, RefusedRequest, Client]] = deque(maxlen=_MOST_WAITING)
# Whether this process has the job that looks for canaries.
_has_job: Callable[[], bool] = lambda: False  # noqa: E731
_logger = logging.getLogger(__name__)


def set_job(has_job: Callable[[], bool]) -> None:
    """Set the function that says whether `note_waiting` runs regularly in this process."""
    global _has_job
    _has_job = has_job


def note_waiting() -> None:
    """Record the canaries among the waiting requests with unknown keys."""
    while _waiting:
        _note_canary(*_waiting.popleft())


def remember(secret: str, key_id: int | None, code: Code) -> None:
    """Store the refused key of this request for `record_remembered`; `key_id` is None for an unknown secret."""
    if code in REASONS:
        g.refused_key = (secret, key_id, code)


def refusal(key_id: int, code: Code, method: str, path: str) -> RefusedRequest:
    """Return the facts of the current request, which is refused."""
    who = client()
    return RefusedRequest(key_id, code, now(), method, path, who.address, who.user_agent)


def record_remembered(response: Response, method: str, path: str) -> None:
    """Record the refused key of this request, in a transaction of its own. Failures are logged only.

    An unknown secret may be that of a canary. A job looks it up later, so that the response, including its timing,
    is the same for canaries and unknown keys. Without the job it is looked up after the response was sent.
    """
    secret, key_id, code = g.pop("refused_key", ("", None, None))
    if not secret:
        return
    request = refusal(key_id or _UNKNOWN, code, method, path)
    if key_id is None:
        if _has_job():
            _waiting.append((secret, request, client()))
            return
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        response.call_on_close(partial(_note_in, app, secret, request, client()))
        return
    try:
        record_refusal(request)
        db.session.commit()
    except Exception as error:  # the key is refused whether or not this is recorded
        db.session.rollback()
        _logger.error("a refused key could not be recorded: %s", describe(error))


def _note_in(app: Flask, secret: str, request: RefusedRequest, who: Client) -> None:
    with app.app_context():
        _note_canary(secret, request, who)


def _note_canary(secret: str, request: RefusedRequest, who: Client) -> None:
    try:
        if note_presentation(secret, request, who):
            db.session.commit()
    except Exception as error:  # the answer is sent already
        db.session.rollback()
        _logger.error("a canary could not be recorded: %s", describe(error))
