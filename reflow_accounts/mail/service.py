"""Put a message into the outbox, and say which messages must be looked up before they are sent."""

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
    """Add one message to the session: it is sent after the caller commits, or never when that fails.

    `kind` is the stem of its templates (`templates/mail/<kind>.txt` and `.html`) or of a resolver
    (see `resolver`); `to` is one address; `data` are plain JSON values, never a secret or a token.
    """
    db.session.add(OutboxMessage(kind=kind, to=to, data=data))
    db.session.flush()
    db.session.info[_POSTED] = True


def resolver(kind: str) -> Callable[[Resolver], Resolver]:
    """Register the function that replaces a message of `kind` by the real ones, or by none.

    The sender calls it as `f(to, data)`, off the path of the request, and posts what it returns,
    `(kind, to, data)` each, in the transaction in which the function reads and writes. So a page that
    must not say whether an address is known asks nothing itself.
    """

    def register(resolve: Resolver) -> Resolver:
        _resolvers[kind] = resolve
        return resolve

    return register


def find_resolver(kind: str) -> Resolver | None:
    """Return the function registered for `kind`, if one is."""
    return _resolvers.get(kind)


def when_posted(act: Callable[[], object]) -> None:
    """Have `act` called after each commit of this process that put a message into the outbox."""
    _listeners.append(act)


@event.listens_for(db.session, "after_commit")
def _tell(session: Session) -> None:
    if not session.in_nested_transaction() and session.info.pop(_POSTED, False):
        for act in _listeners:
            act()


def forget(address: str) -> None:
    """Delete every message to an address, sent or not: whoever had it is gone."""
    db.session.execute(delete(OutboxMessage).where(OutboxMessage.to == address))
