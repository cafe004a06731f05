"""Checks the hash chains of a whole database, such as a backup."""

import hashlib
from collections.abc import Iterator

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from reflow_accounts.activity.chain import digest_of_event, digest_of_use, hash_of_link
from reflow_accounts.activity.models import ChainLink
from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.contract import FIRST_PREVIOUS
from reflow_accounts.users.models import User

_LINKS_AT_ONCE = 1000


def broken_links(connection: Connection) -> Iterator[str]:
    """Yield a sentence for each link that does not follow the one before, or whose event or uses were changed.

    Events that were deleted and uses that were pruned leave their links, so they are not compared.
    """
    query = (
        select(ChainLink, AuditEvent, User.public_id)
        .join(AuditEvent, (ChainLink.kind == "event") & (AuditEvent.id == ChainLink.first_id), isouter=True)
        .join(User, User.id == AuditEvent.account_id, isouter=True)
        .order_by(ChainLink.chain, ChainLink.number)
    )
    head = ("", 0, b"")
    with Session(connection) as session:
        for link, event, account in session.execute(query.execution_options(yield_per=_LINKS_AT_ONCE)):
            name = f"link {link.number} of the chain of {link.chain}"
            chain, number, previous = head
            if chain != link.chain:
                number, previous = 0, bytes.fromhex(FIRST_PREVIOUS)
            if (link.number, link.previous) != (number + 1, previous):
                yield f"{name} does not follow the one before"
            if link.hash != hash_of_link(link):
                yield f"{name} was changed"
            if event and link.digest != digest_of_event(event, is_own=link.chain == account):
                yield f"the event {event.public_id} was changed after {name} was made"
            if link.kind == "uses" and _uses_differ(session, link):
                yield f"uses were added or changed after {name} was made"
            head = link.chain, link.number, link.hash


def _uses_differ(session: Session, link: ChainLink) -> bool:
    query = (
        select(Use.__table__, ApiKey.public_id.label("key"))
        .join(ApiKey, ApiKey.id == Use.key_id)
        .join(User, User.id == ApiKey.user_id)
        .where(User.public_id == link.chain, Use.id.between(link.first_id, link.last_id))
        .order_by(Use.id)
    )
    found, digest = 0, hashlib.sha256()
    for use in session.execute(query):
        found += 1
        digest.update(digest_of_use(use, link.chain))
    return found > link.count or (found == link.count and digest.digest() != link.digest)
