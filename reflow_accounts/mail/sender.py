"""Empty the outbox: take what is due, look up or send it, and remember how that went."""

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import CursorResult, Update, delete, select, update

from reflow_accounts.config import Settings
from reflow_accounts.database import db, now
from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.mail.rendering import Unmailable, compose
from reflow_accounts.mail.service import Resolver, find_resolver, post
from reflow_accounts.mail.transport import NotTaken, Refused, ServerAway, Transport, transport_of

# Whoever takes a message has it for so long; when the process dies meanwhile, another takes it then.
# Longer than a message can take (`transport.SECONDS_A_MESSAGE`).
CLAIM = timedelta(seconds=90)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(hours=1)
# A message is given up when it has been tried this often and is this old.
FEWEST_TRIES, LONGEST_WAIT = 5, timedelta(days=1)
KEPT_WHEN_DONE = timedelta(days=30)
_LOOKED_AT = 10

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claimed:
    """An outbox row that this process alone may send until its claim ends."""

    id: int
    kind: str
    to: str
    data: dict[str, Any]
    created_at: datetime
    tries: int


def never() -> bool:
    """Say that nobody wants the sender to stop."""
    return False


def send_due(is_stopping: Callable[[], bool] = never) -> int:
    """Send every message that is due, one after the other, and return how many were taken in hand.

    Several processes may do so at once: each message is claimed by one of them. Stops after the message
    in hand when `is_stopping` says so. Raises ServerAway when no message can be sent at present.
    """
    settings: Settings = current_app.config["SETTINGS"]
    transport = transport_of(settings)
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
    """Delete the rows of messages that were done more than 30 days ago; return how many."""
    is_old = OutboxMessage.done_at < now() - KEPT_WHEN_DONE
    count = _execute(delete(OutboxMessage).where(is_old))
    db.session.commit()
    return count


def _claim_next() -> Claimed | None:
    """Take the message that has been due for longest; None when none is due."""
    is_due = (OutboxMessage.done_at.is_(None), OutboxMessage.due_at <= now())
    due = (
        select(OutboxMessage.id, OutboxMessage.tries)
        .where(*is_due)
        .order_by(OutboxMessage.due_at, OutboxMessage.id)
        .limit(_LOOKED_AT)
    )
    while found := db.session.execute(due).all():
        for number, tries in found:
            if claimed := _claim(number, tries):
                return claimed
        # Others were faster each time: look again.
        db.session.rollback()
    db.session.rollback()
    return None


def _claim(number: int, tries: int) -> Claimed | None:
    """Move the message on, if it is as it was seen: of several processes one succeeds."""
    taken = _execute(_row(number, tries=tries).values(due_at=now() + CLAIM, tries=tries + 1))
    db.session.commit()
    if not taken:
        return None
    row = db.session.execute(
        select(OutboxMessage.kind, OutboxMessage.to, OutboxMessage.data, OutboxMessage.created_at).where(
            OutboxMessage.id == number
        )
    ).one()
    # No transaction stays open while a server is waited for.
    db.session.rollback()
    return Claimed(number, row.kind, row.to, row.data, row.created_at, tries + 1)


def _handle(message: Claimed, transport: Transport) -> None:
    try:
        resolve = find_resolver(message.kind)
        if resolve:
            _replace(message, resolve)
            return
        letter = compose(message.id, message.kind, message.to, message.data, message.created_at)
        transport.deliver(letter)
    except (Refused, Unmailable) as refusal:
        _give_up(message, str(refusal))
    except NotTaken as failure:
        _postpone(message, str(failure))
    except ServerAway as failure:
        # Not this message's fault: whoever called decides when the server is tried again.
        _postpone(message, str(failure), longest=FIRST_PAUSE)
        raise
    except Exception as error:
        # A mistake in one message is not to stop the others. What it says may hold what was typed.
        db.session.rollback()
        places = "".join(traceback.format_tb(error.__traceback__))
        _logger.error("message %s (%s): %s\n%s", message.id, message.kind, type(error).__name__, places)
        _postpone(message, f"the message could not be made ({type(error).__name__})")
    else:
        # When this fails the message is sent again: better twice than never.
        _finish(message)


def _replace(message: Claimed, resolve: Resolver) -> None:
    """Post what the resolver returns and finish the message, in one transaction, once."""
    # First the row, so that a sender whose claim has ended waits here and then finds it done.
    if not _execute(_row(message.id, tries=message.tries).values(done_at=now(), data={}, failure="")):
        db.session.rollback()
        return
    for kind, to, data in resolve(message.to, message.data):
        post(kind, to, **data)
    db.session.commit()


def _finish(message: Claimed, failure: str = "") -> None:
    _execute(_row(message.id).values(done_at=now(), data={}, failure=failure))
    db.session.commit()


def _give_up(message: Claimed, failure: str) -> None:
    _logger.error("message %s (%s) is given up: %s", message.id, message.kind, failure)
    _finish(message, failure)


def _postpone(message: Claimed, failure: str, longest: timedelta = LONGEST_PAUSE) -> None:
    if message.tries >= FEWEST_TRIES and now() - message.created_at >= LONGEST_WAIT:
        _give_up(message, failure)
        return
    pause = min(FIRST_PAUSE * 2 ** min(message.tries - 1, 20), longest)
    _logger.warning("message %s (%s) waits %s: %s", message.id, message.kind, pause, failure)
    _execute(_row(message.id, tries=message.tries).values(due_at=now() + pause, failure=failure))
    db.session.commit()


def _row(number: int, *, tries: int | None = None) -> Update:
    """Begin to change a message that is not done; one that is as it was seen, when `tries` says how."""
    is_it = [OutboxMessage.id == number, OutboxMessage.done_at.is_(None)]
    if tries is not None:
        is_it.append(OutboxMessage.tries == tries)
    return update(OutboxMessage).where(*is_it).execution_options(synchronize_session=False)


def _execute(statement: Any) -> int:
    done = db.session.execute(statement)
    assert isinstance(done, CursorResult)
    return done.rowcount
