"""Send the due messages of the outbox."""

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import Update, delete, select, update

from reflow_accounts.config import Settings
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.mail.rendering import Unmailable, compose
from reflow_accounts.mail.service import Resolver, find_resolver, post
from reflow_accounts.mail.transport import (
    OUTBOX_FOLDER,
    Files,
    MailServer,
    RecipientRefused,
    ServerUnavailable,
    TemporarilyRefused,
)

# How long a claim on a message lasts: longer than sending can take (`transport.SECONDS_A_MESSAGE`). If the process
# dies, another one sends the message afterwards.
CLAIM = timedelta(seconds=90)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(hours=1)
# A message is given up when it has both this many tries and this age.
FEWEST_TRIES, LONGEST_WAIT = 5, timedelta(days=1)
KEPT_WHEN_DONE = timedelta(days=30)
_CANDIDATES = 10

_logger = logging.getLogger(__name__)
Transport = MailServer | Files


@dataclass(frozen=True)
class ClaimedMessage:
    """An outbox row that only this process may send until the claim ends."""

    id: int
    kind: str
    to: str
    data: dict[str, Any]
    created_at: datetime
    tries: int


def send_due(is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Send all due messages, one after the other, and return how many were claimed.

    Processes may run this concurrently: each message is claimed by one of them. Stops after the current
    message when `is_stopping` returns True. Raises ServerUnavailable when no message can be sent at present.
    """
    settings: Settings = current_app.config["SETTINGS"]
    transport: Transport = (
        MailServer(settings.mail_url) if settings.mail_url else Files(settings.instance / OUTBOX_FOLDER)
    )
    count = 0
    try:
        while not is_stopping() and (message := _claim_next()) is not None:
            count += 1
            _handle(message, transport)
    finally:
        transport.close()
        db.session.rollback()
    return count


def prune_done() -> int:
    """Delete messages that were done more than 30 days ago; return their number."""
    is_old = OutboxMessage.done_at < now() - KEPT_WHEN_DONE
    count = affected_rows(delete(OutboxMessage).where(is_old))
    db.session.commit()
    return count


def _claim_next() -> ClaimedMessage | None:
    """Claim the message that has been due longest. Returns None when none is due."""
    is_due = (OutboxMessage.done_at.is_(None), OutboxMessage.due_at <= now())
    due = (
        select(OutboxMessage.id, OutboxMessage.tries)
        .where(*is_due)
        .order_by(OutboxMessage.due_at, OutboxMessage.id)
        .limit(_CANDIDATES)
    )
    while rows := db.session.execute(due).all():
        for number, tries in rows:
            if message := _claim(number, tries):
                return message
        # Other processes claimed all of them.
        db.session.rollback()
    db.session.rollback()
    return None


def _claim(number: int, tries: int) -> ClaimedMessage | None:
    """Claim a message unless another process did so first (optimistic lock on `tries`)."""
    is_claimed = affected_rows(_update_of(number, tries=tries).values(due_at=now() + CLAIM, tries=tries + 1))
    db.session.commit()
    if not is_claimed:
        return None
    row = db.session.execute(
        select(OutboxMessage.kind, OutboxMessage.to, OutboxMessage.data, OutboxMessage.created_at).where(
            OutboxMessage.id == number
        )
    ).one()
    # Ends the transaction before the slow SMTP dialogue.
    db.session.rollback()
    return ClaimedMessage(number, row.kind, row.to, row.data, row.created_at, tries + 1)


def _handle(message: ClaimedMessage, transport: Transport) -> None:
    try:
        resolve = find_resolver(message.kind)
        if resolve:
            _replace(message, resolve)
            return
        letter = compose(message.id, message.kind, message.to, message.data, message.created_at)
        transport.deliver(letter)
    except (RecipientRefused, Unmailable) as refusal:
        _give_up(message, str(refusal))
    except TemporarilyRefused as failure:
        _postpone(message, str(failure))
    except ServerUnavailable as failure:
        # Not a failure of this message: the caller decides when to try the server again.
        _postpone(message, str(failure), longest=FIRST_PAUSE)
        raise
    except Exception as error:
        # An error in one message must not stop the others. Its text may contain user input.
        db.session.rollback()
        places = "".join(traceback.format_tb(error.__traceback__))
        _logger.error("message %s (%s): %s\n%s", message.id, message.kind, type(error).__name__, places)
        _postpone(message, f"the message could not be made ({type(error).__name__})")
    else:
        # If this fails, the message is sent twice rather than never.
        _finish(message)


def _replace(message: ClaimedMessage, resolve: Resolver) -> None:
    """Post the messages that the resolver returns and finish this one, in one transaction."""
    # The update comes first: a sender whose claim has ended waits for its lock and then does nothing.
    if not affected_rows(
        _update_of(message.id, tries=message.tries).values(done_at=now(), data={}, failure="")
    ):
        db.session.rollback()
        return
    for kind, to, data in resolve(message.to, message.data):
        post(kind, to, **data)
    db.session.commit()


def _finish(message: ClaimedMessage, failure: str = "") -> None:
    db.session.execute(_update_of(message.id).values(done_at=now(), data={}, failure=failure))
    db.session.commit()


def _give_up(message: ClaimedMessage, failure: str) -> None:
    _logger.error("message %s (%s) is given up: %s", message.id, message.kind, failure)
    _finish(message, failure)


def _postpone(message: ClaimedMessage, failure: str, longest: timedelta = LONGEST_PAUSE) -> None:
    if message.tries >= FEWEST_TRIES and now() - message.created_at >= LONGEST_WAIT:
        _give_up(message, failure)
        return
    pause = min(FIRST_PAUSE * 2 ** min(message.tries - 1, 20), longest)
    _logger.warning("message %s (%s) waits %s: %s", message.id, message.kind, pause, failure)
    db.session.execute(
        _update_of(message.id, tries=message.tries).values(due_at=now() + pause, failure=failure)
    )
    db.session.commit()


def _update_of(number: int, *, tries: int | None = None) -> Update:
    """Return an UPDATE for an unfinished message; with `tries`, only if it is unchanged (optimistic lock)."""
    conditions = [OutboxMessage.id == number, OutboxMessage.done_at.is_(None)]
    if tries is not None:
        conditions.append(OutboxMessage.tries == tries)
    return update(OutboxMessage).where(*conditions).execution_options(synchronize_session=False)
