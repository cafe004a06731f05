"""Take away what lets a user in and what tells who it was; the row stays, for the record of uses and acts."""

from sqlalchemy import delete, update

from reflow_accounts.extensions import db, now
from reflow_accounts.identity.models import (
    Appearance,
    DeviceLogin,
    MailLink,
    Passkey,
    PasskeyChallenge,
    RecoveryCode,
    User,
    UserSession,
)
from reflow_accounts.mail.service import forget

TOMBSTONE = "Deleted user"


def erase(user: User) -> bool:
    """Turn a user's row into a tombstone, for good; say whether this call did: of several at once one does."""
    at, email = now(), user.email
    buried = (
        update(User)
        .where(User.id == user.id, User.deleted_at.is_(None))
        .values(
            full_name=TOMBSTONE,
            email=None,
            password_hash=None,
            totp_secret=None,
            totp_on_at=None,
            totp_step=None,
            is_staff=False,
            appearance=Appearance.DEVICE,
            time_zone="UTC",
            deleted_at=at,
            # Whatever is closed to a disabled user is closed to a deleted one.
            disabled_at=at,
        )
    )
    if not db.session.execute(buried).rowcount:  # type: ignore[attr-defined]  # an UPDATE has one
        return False
    for owned in (RecoveryCode, Passkey, PasskeyChallenge, MailLink, DeviceLogin):
        db.session.execute(delete(owned).where(owned.user_id == user.id))
    sessions = update(UserSession).where(UserSession.user_id == user.id)
    db.session.execute(sessions.where(UserSession.ended_at.is_(None)).values(ended_at=at))
    db.session.execute(sessions.values(address="", user_agent="", host=None))
    if email:
        forget(email)
    return True
