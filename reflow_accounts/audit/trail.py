"""Acts as lines of the log, once they are committed, so that who watches the log need not ask the database."""

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from reflow_accounts.audit.actions import Action
from reflow_accounts.database import db
from reflow_accounts.web import request_logging

_WAITING = "acts to log"
# Of the details, what names or counts things; the others hold what people typed.
_TOLD = ("key", "passkey", "session", "count", "left", "kind", "factors")
_logger = logging.getLogger(__name__)


def follow(action: Action, ids: Mapping[str, str | None], details: Mapping[str, Any]) -> None:
    """Have an act logged when the transaction that does it is committed, if it is a request's.

    `ids` are the public ids of whom it concerns, by their part in it. The line holds neither names nor
    addresses: those are in the audit log alone. What operators do is said at their own terminal.
    """
    if request_logging.is_in_request():
        told = {name: details[name] for name in _TOLD if name in details}
        db.session().info.setdefault(_WAITING, []).append((action, {**ids, **told}))


@event.listens_for(db.session, "after_commit")
def _say(session: Session) -> None:
    if session.in_nested_transaction():
        return
    for action, told in session.info.pop(_WAITING, ()):
        _logger.info(action.value, extra=request_logging.facts(**told))


@event.listens_for(db.session, "after_soft_rollback")
def _forget(session: Session, ended: SessionTransaction) -> None:
    if ended.parent is None:
        session.info.pop(_WAITING, None)
