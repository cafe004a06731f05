"""Add messages to the outbox, and register resolvers of messages."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, event
from sqlalchemy.orm import Session

from reflow_accounts.database import db
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


def when_posted(act: Callable[[], object]) -> None:
    """Call `act` after each commit of this process that added messages."""
    _listeners.append(act)


@event.listens_for(db.session, "after_commit")
def _notify_listeners(session: Session) -> None:
    if not session.in_nested_transaction() and session.info.pop(_POSTED, False):
        for act in _listeners:
            act()


def forget(address: str) -> None:
    """Delete all messages to an address, sent or not."""
    db.session.execute(delete(OutboxMessage).where(OutboxMessage.to == address))
