"""Links that are mailed: made, found, used once, dropped. Their tokens are made where mail is written."""

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select, update

from reflow_accounts.auth.models import LinkPurpose, MailLink
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.users.models import User

# OWASP ASVS 5.0, 6.5.5 would allow ten minutes for a code that is typed; a link is not guessed.
LIFETIME = timedelta(hours=1)
# How long an expired link is kept, before its row goes.
_KEPT = timedelta(days=1)


def add_link(purpose: LinkPurpose, email: str, *, user: User | None = None, **data: Any) -> MailLink:
    """Make a link for one purpose that `email` will get; old ones of everybody are cleared away."""
    at = now()
    link = MailLink(
        purpose=purpose, email=email, user_id=user.id if user else None, data=data, expires_at=at + LIFETIME
    )
    db.session.add(link)
    db.session.flush()
    db.session.execute(delete(MailLink).where(MailLink.expires_at < at - _KEPT))
    return link


def count_recent(purpose: LinkPurpose, user: User) -> int:
    """Return how many links for `purpose` the user got within a link's lifetime, used ones included."""
    is_recent = (MailLink.user_id == user.id, MailLink.purpose == purpose, MailLink.expires_at > now())
    return db.session.scalar(select(func.count()).select_from(MailLink).where(*is_recent)) or 0


def find_link(public_id: str | None, purpose: LinkPurpose) -> MailLink | None:
    """Return the link that is still good for `purpose`, or None: unknown, used, expired, for something else."""
    if public_id is None:
        return None
    return db.session.scalar(
        select(MailLink).where(
            MailLink.public_id == public_id,
            MailLink.purpose == purpose,
            MailLink.used_at.is_(None),
            MailLink.expires_at > now(),
        )
    )


def hold(user: User) -> None:
    """Have others who would use or drop links of this user wait until the transaction ends.

    Call it before `use` and `drop_links_of`: who holds one link must not wait for who wants all of them.
    """
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update())


def hold_sign_ups_of(email: str) -> None:
    """Do as `hold` does for the links of an address that has no account yet."""
    db.session.execute(_sign_ups_of(select(MailLink.id), email).order_by(MailLink.id).with_for_update())


def use(link: MailLink) -> bool:
    """Use a link up and empty it; say whether this call was the one: of several at once one is."""
    at = now()
    used = (
        update(MailLink)
        .where(MailLink.id == link.id, MailLink.used_at.is_(None), MailLink.expires_at > at)
        .values(used_at=at, data={})
    )
    return bool(affected_rows(used))


def drop_links_of(user: User, *purposes: LinkPurpose) -> None:
    """Delete the user's links that nobody has used yet, for these purposes or for all."""
    query = delete(MailLink).where(MailLink.user_id == user.id, MailLink.used_at.is_(None))
    db.session.execute(query.where(MailLink.purpose.in_(purposes)) if purposes else query)


def drop_sign_ups_of(email: str) -> None:
    """Delete the links with which an account for this address could still begin."""
    db.session.execute(_sign_ups_of(delete(MailLink), email))


def _sign_ups_of(query: Any, email: str) -> Any:
    return query.where(
        MailLink.email == email, MailLink.purpose == LinkPurpose.SIGN_UP, MailLink.used_at.is_(None)
    )
