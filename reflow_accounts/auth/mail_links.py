"""Single-use links in mails: create, find, use, delete. mail/rendering.py signs and reads their tokens."""

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select, update

from reflow_accounts.auth.models import LinkPurpose, MailLink
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.email_addresses import stored_forms
from reflow_accounts.mail.rendering import read_link
from reflow_accounts.users.models import User

# OWASP ASVS 5.0, 6.5.5 limits a typed code to ten minutes; a link cannot be guessed.
LIFETIME = timedelta(hours=1)
# How long an expired link is kept.
KEPT_WHEN_EXPIRED = timedelta(days=1)


def add_link(purpose: LinkPurpose, email: str, *, user: User | None = None, **data: Any) -> MailLink:
    """Create a link to mail to `email`, for one purpose."""
    link = MailLink(
        purpose=purpose,
        email=email,
        user_id=user.id if user else None,
        data=data,
        expires_at=now() + LIFETIME,
    )
    db.session.add(link)
    db.session.flush()
    return link


def prune_links() -> int:
    """Delete the links that expired a day ago, with their data; return their number."""
    return affected_rows(delete(MailLink).where(MailLink.expires_at < now() - KEPT_WHEN_EXPIRED))


def count_recent(purpose: LinkPurpose, user: User) -> int:
    """Return how many links for `purpose` the user got within a link's lifetime, used ones included."""
    is_recent = (MailLink.user_id == user.id, MailLink.purpose == purpose, MailLink.expires_at > now())
    return db.session.scalar(select(func.count()).select_from(MailLink).where(*is_recent)) or 0


def find_link(token: str, purpose: LinkPurpose) -> MailLink | None:
    """Return the valid link for `purpose`; None if its token is invalid, or it is used, expired, or for another one."""
    public_id = read_link(token, purpose)
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


def lock_links_of(user: User) -> None:
    """Lock the links of this user against use and deletion, until the transaction ends.

    Call it before `use` and `drop_links_of`, to prevent a deadlock between one link and all links of a user.
    """
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update())


def lock_sign_ups_of(email: str) -> None:
    """Lock the sign-up links of an address without an account, as `lock_links_of` does."""
    db.session.execute(_sign_ups_of(select(MailLink.id), email).order_by(MailLink.id).with_for_update())


def use(link: MailLink) -> bool:
    """Mark a link as used and clear its data; return False if it was used before or concurrently."""
    at = now()
    statement = (
        update(MailLink)
        .where(MailLink.id == link.id, MailLink.used_at.is_(None), MailLink.expires_at > at)
        .values(used_at=at, data={})
    )
    return bool(affected_rows(statement))


def drop_links_of(user: User, *purposes: LinkPurpose) -> None:
    """Delete the user's unused links, for these purposes or for all."""
    query = delete(MailLink).where(MailLink.user_id == user.id, MailLink.used_at.is_(None))
    db.session.execute(query.where(MailLink.purpose.in_(purposes)) if purposes else query)


def drop_sign_ups_of(email: str) -> None:
    """Delete the unused sign-up links of this address."""
    db.session.execute(_sign_ups_of(delete(MailLink), email))


def _sign_ups_of(query: Any, email: str) -> Any:
    return query.where(
        MailLink.email.in_(stored_forms(email)),
        MailLink.purpose == LinkPurpose.SIGN_UP,
        MailLink.used_at.is_(None),
    )
