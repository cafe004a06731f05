"""Records requests whose key was refused: known keys before the answer, canaries after it."""

import logging
from functools import partial

from flask import Flask, Response, current_app, g

from reflow_accounts.api_keys.canaries import note_presentation
from reflow_accounts.api_keys.refusals import REASONS, Refused, record_refusal
from reflow_accounts.contract import Code
from reflow_accounts.database import db, now
from reflow_accounts.web.request_info import Client, client

_UNKNOWN = 0
_logger = logging.getLogger(__name__)


def remember(secret: str, key_id: int | None, code: Code) -> None:
    """Remember that this request's key was refused; `key_id` is None for an unknown secret."""
    if code in REASONS:
        g.refused_key = (secret, key_id, code)


def refusal(key_id: int, code: Code, method: str, path: str) -> Refused:
    """Return the current request as a refusal of a key."""
    who = client()
    return Refused(key_id, code, now(), method, path, who.address, who.user_agent)


def record_remembered(response: Response, method: str, path: str) -> None:
    """Record the refused key of this request, in a transaction of its own. Failures are logged only.

    An unknown secret may be that of a canary. That is looked up after the answer is sent: nothing about the answer,
    its time included, tells a canary from an unknown key.
    """
    secret, key_id, code = g.pop("refused_key", ("", None, None))
    if not secret:
        return
    refused = refusal(key_id or _UNKNOWN, code, method, path)
    if key_id is None:
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        response.call_on_close(partial(_note_canary, app, secret, refused, client()))
        return
    try:
        record_refusal(refused)
        db.session.commit()
    except Exception as error:  # the key is refused whether or not this is recorded
        db.session.rollback()
        _logger.error("a refused key could not be recorded: %s", type(error).__name__)


def _note_canary(app: Flask, secret: str, refused: Refused, who: Client) -> None:
    with app.app_context():
        try:
            if note_presentation(secret, refused, who):
                db.session.commit()
        except Exception as error:  # the answer is sent already
            db.session.rollback()
            _logger.error("a canary could not be recorded: %s", type(error).__name__)
