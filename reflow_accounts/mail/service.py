"""Add messages to the outbox, and register resolvers of messages."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, event, select
from sqlalchemy.orm import Session

from reflow_accounts.database import db, now
from reflow_accounts.email_addresses import stored_forms
from reflow_accounts.mail.models import OutboxMessage

Posting = tuple[str, str, dict[str, Any]]
Resolver = Callable[[str, dict[str, Any]], list[Posting]]

_POSTED = "has posted mail"
_resolvers: dict[str, Resolver] = {}
_listeners: list[Callable[[], object]] = []


def post(kind: str, to: str, **data: Any) -> None:
    """Add a message to the session. It is sent once the caller has committed.

    `kind` is the stem of its templates (`templates/mail/<kind>.txt` and `.html`) or of a resolver
    (see `resolver`); `to` is one address; `data` are plain JSON values, never a secret or a token.
    """
    db.session.add(OutboxMessage(kind=kind, to=to, data=data))
    db.session.flush()
    db.session.info[_POSTED] = True


def post_in_batch(
    kind: str, to: str, about: str, item: dict[str, Any], *, delay: timedelta, may_begin: bool = True
) -> None:
    """Add `item` to the waiting message of this kind to `to` about the same object, or post one that waits for `delay`.

    The data of the message are `about`, the id of the object, and the list `items`. Its row is locked until the
    transaction ends, so that it is not sent without the item. Without a waiting message nothing is posted
    unless `may_begin`.
    """
    at = now()
    is_waiting = (OutboxMessage.done_at.is_(None), OutboxMessage.tries == 0, OutboxMessage.due_at > at)
    query = select(OutboxMessage).where(OutboxMessage.kind == kind, OutboxMessage.to == to, *is_waiting)
    fresh = query.with_for_update().execution_options(populate_existing=True)
    messages = [message for message in db.session.scalars(fresh) if message.data["about"] == about]
    if messages:
        messages[0].data = messages[0].data | {"items": [*messages[0].data["items"], item]}
    elif may_begin:
        data = {"about": about, "items": [item]}
        db.session.add(OutboxMessage(kind=kind, to=to, data=data, due_at=at + delay))
    db.session.flush()


def resolver(kind: str) -> Callable[[Resolver], Resolver]:
    """Register a function that replaces messages of `kind` by others, or by none.

    The sender calls it as `f(to, data)` outside of requests, and posts the `(kind, to, data)` tuples that it
    returns in the same transaction. A page that must not reveal whether an address has an account can thus
    post one message without a query.
    """

    def register(resolve: Resolver) -> Resolver:
        _resolvers[kind] = resolve
        return resolve

    return register


def find_resolver(kind: str) -> Resolver | None:
    """Return the resolver of `kind`, or None."""
    return _resolvers.get(kind)


def when_posted(listener: Callable[[], object]) -> None:
    """Call `listener` after each commit of this process that added messages."""
    _listeners.append(listener)


@event.listens_for(db.session, "after_commit")
def _notify_listeners(session: Session) -> None:
    if not session.in_nested_transaction() and session.info.pop(_POSTED, False):
        for listener in _listeners:
            listener()


def forget(address: str) -> None:
    """Delete all messages to an address, sent or not."""
    db.session.execute(delete(OutboxMessage).where(OutboxMessage.to.in_(stored_forms(address))))
