"""Sign in, stay signed in, sign out."""

import re
import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select, update

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import SOMEBODY, record
from reflow_accounts.auth.models import DeviceLogin, Factor, SessionKind, UserSession
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.auth.secrets import digest_of, new_secret
from reflow_accounts.contract import SESSION_PREFIX
from reflow_accounts.database import db, now
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.users.models import LONGEST_EMAIL, User
from reflow_accounts.web import text
from reflow_accounts.web.request_info import Client

IDLE_LIFETIME = timedelta(days=7)
ABSOLUTE_LIFETIME = timedelta(days=30)
# Live sessions of one user.
MOST_SESSIONS = 100
# How stale `last_active_at` may be before a request writes it again.
ACTIVITY_STEP = timedelta(minutes=1)
COOKIE_VALUE_BYTES = 16

# Enough to catch a slip; whether an address is somebody's, only a mail to it can tell.
_ADDRESS = re.compile(r"""[^@\s"(),:;<>\[\]\\]+@[^@\s"(),:;<>\[\]\\.]+(\.[^@\s"(),:;<>\[\]\\.]+)+""")


def find_by_email(email: str) -> User | None:
    """Return the user with this address, compared without case, or None."""
    if len(email) > LONGEST_EMAIL or not text.is_plain(email):
        return None
    return db.session.scalar(select(User).where(User.email == text.folded(text.tidy(email))))


def checked_email(email: str) -> str:
    """Return the address as it is kept. Raises ValidationFailed with the sentence for its field."""
    address = text.folded(text.tidy(email))
    if len(address) > LONGEST_EMAIL or not text.is_plain(address) or not _ADDRESS.fullmatch(address):
        raise ValidationFailed(email="Enter an email address like name@example.com")
    return address


def find_by_password(email: str, password: str, hasher: PasswordHasher) -> User | None:
    """Return the person who may sign in with these words, or None.

    Unknown, disabled, service account and wrong password cost the same time (OWASP ASVS 5.0, 6.3.8).
    """
    user = find_by_email(email)
    stored = user.password_hash if user and user.is_person and not user.disabled_at else None
    return user if hasher.matches(password, stored) else None


def refuse_sign_in(email: str, client: Client) -> None:
    """Write down that somebody tried to sign in with this address and may not.

    It is in the activity of the account with the address. For an address without one the same is written,
    with nobody's account and without what was typed: so both take the same time, and operators see both.
    """
    user = find_by_email(email)
    record(Action.SIGN_IN_REFUSED, by=SOMEBODY, account=user, subject=client.device, address=client.address)
    db.session.flush()


def renew_password_hash(user: User, password: str, hasher: PasswordHasher) -> None:
    """Keep the password under the current secret key, so that an older one can be given up in time.

    Call it with the password that has just matched.
    """
    if hasher.has_older and user.password_hash and not hasher.is_current(password, user.password_hash):
        user.password_hash = hasher.hash(password)
        db.session.flush()


def start_session(
    user: User, kind: SessionKind, factors: Sequence[Factor], *, client: Client, host: str | None = None
) -> tuple[UserSession, str]:
    """Begin a session of somebody who has proved it by `factors`, on a machine that calls itself `host`.

    Return its row and the value that opens it, which is not kept. Of more than MOST_SESSIONS of one user the
    least recently active ones end.
    """
    if kind == SessionKind.COMMAND:
        value = new_secret(SESSION_PREFIX)
    else:
        value = secrets.token_urlsafe(COOKIE_VALUE_BYTES)
    session = UserSession(
        user=user,
        kind=kind,
        digest=digest_of(value),
        expires_at=now() + ABSOLUTE_LIFETIME,
        address=client.address,
        user_agent=client.user_agent,
        host=host,
    )
    db.session.add(session)
    record(
        Action.SIGNED_IN,
        by=user,
        account=user,
        subject=session.device,
        address=client.address,
        kind=kind,
        factors=list(factors),
    )
    db.session.flush()
    live = select(UserSession.id).where(UserSession.user_id == user.id, UserSession.ended_at.is_(None))
    excess = live.order_by(UserSession.last_active_at.desc(), UserSession.id.desc()).offset(MOST_SESSIONS)
    db.session.execute(
        update(UserSession).where(UserSession.id.in_(excess.scalar_subquery())).values(ended_at=now())
    )
    return session, value


def find_session(value: str, kind: SessionKind) -> UserSession | None:
    """Return the live session that `value` opens, or None: unknown, ended, expired, idle, user disabled."""
    session = db.session.scalar(
        select(UserSession).where(UserSession.digest == digest_of(value), UserSession.kind == kind)
    )
    if session is None or session.ended_at or session.user.disabled_at:
        return None
    has_expired = now() >= min(session.expires_at, session.last_active_at + IDLE_LIFETIME)
    return None if has_expired else session


def touch(session: UserSession) -> bool:
    """Note that the session is in use, at most once a minute; say whether there is something to commit."""
    at = now()
    if at - session.last_active_at < ACTIVITY_STEP:
        return False
    db.session.execute(
        update(UserSession)
        .where(UserSession.id == session.id, UserSession.last_active_at < at)
        .values(last_active_at=at)
    )
    return True


def end_sessions_of(user: User, *, but: UserSession | None = None) -> None:
    """End every session of the user at once, of browsers and of the command, all `but` one.

    Logins that wait for a terminal are void first: one that is just becoming a session is waited for and ended.
    """
    void_device_logins_of(user)
    live = update(UserSession).where(UserSession.user_id == user.id, UserSession.ended_at.is_(None))
    if but:
        live = live.where(UserSession.id != but.id)
    db.session.execute(live.values(ended_at=now()))


def void_device_logins_of(user: User) -> None:
    """Have no terminal be given a session that was approved, or could be, until now."""
    hold_person(user)
    at = now()
    waiting = update(DeviceLogin).where(DeviceLogin.user_id == user.id, DeviceLogin.used_at.is_(None))
    # The approval goes too: a poll that began a moment ago reads its clock and not this one.
    db.session.execute(
        waiting.where(DeviceLogin.expires_at > at).values(expires_at=at, decided_at=at, is_approved=False)
    )


def hold_person(user: User) -> None:
    """Have others who begin or void logins of this person wait until the transaction ends.

    Who holds a person and a login takes the person first.
    """
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update(key_share=True))


def end_session(session: UserSession, *, by: User, client: Client) -> None:
    """End a session at once, on every node. Ending an ended one changes nothing."""
    if session.ended_at:
        return
    session.ended_at = now()
    record(Action.SIGNED_OUT, by=by, account=session.user, subject=client.device, address=client.address)
    db.session.flush()
