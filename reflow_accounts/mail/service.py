"""Put a message into the outbox."""

from typing import Any

from reflow_accounts.extensions import db
from reflow_accounts.mail.models import OutboxMessage


def post(kind: str, to: str, **data: Any) -> None:
    """Add one message to the session: it is sent after the caller commits, or never when that fails.

    `kind` is the stem of its templates (`templates/mail/<kind>.txt` and `.html`) or of a resolver
    (see `resolve`); `to` is one address; `data` are plain JSON values, never a secret or a token.
    """
    db.session.add(OutboxMessage(kind=kind, to=to, data=data))
    db.session.flush()
