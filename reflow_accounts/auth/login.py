"""Log in with a password; start, find, touch and end sessions."""

import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select, update

from reflow_accounts import email_addresses
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import SOMEBODY, record
from reflow_accounts.auth.models import DeviceLogin, Factor, SessionKind, UserSession
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.auth.secrets import digest_of, new_secret
from reflow_accounts.contract import SESSION_PREFIX, Code
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.email_addresses import AddressError
from reflow_accounts.errors import Unauthenticated, ValidationFailed
from reflow_accounts.users.models import LONGEST_EMAIL, User
from reflow_accounts.web import text
from reflow_accounts.web.request_info import Client

IDLE_LIFETIME = timedelta(days=7)
ABSOLUTE_LIFETIME = timedelta(days=30)
# Live sessions of one user.
MOST_SESSIONS = 100
# Maximum age of `last_active_at` before a request updates it.
ACTIVITY_STEP = timedelta(minutes=1)
COOKIE_VALUE_BYTES = 16


def find_by_email(email: str) -> User | None:
    """Return the user with this address in any of its forms (see `email_addresses.checked`), or None.

    Older versions may have created one account for each form: the form as typed comes first.
    """
    if len(email) > LONGEST_EMAIL or not text.is_plain(email):
        return None
    forms = email_addresses.stored_forms(email)
    users = {user.email: user for user in db.session.scalars(select(User).where(User.email.in_(forms)))}
    return next((users[form] for form in forms if form in users), None)


def checked_email(email: str) -> str:
    """Return the canonical form of an address. Raises ValidationFailed with a message for its field.

    Only a mail can verify that the address exists.
    """
    try:
        return email_addresses.checked(email)
    except AddressError as error:
        raise ValidationFailed(email=str(error)) from None


def find_by_password(email: str, password: str, hasher: PasswordHasher) -> User | None:
    """Return the person with this address and password, or None.

    Takes the same time for an unknown or disabled user, a service account and a wrong password (OWASP ASVS 5.0, 6.3.8).
    """
    user = find_by_email(email)
    stored_hash = user.password_hash if user and user.is_person and not user.disabled_at else None
    return user if hasher.matches(password, stored_hash) else None


def refuse_sign_in(email: str, client: Client) -> None:
    """Record a failed sign-in with this address.

    The record appears in the activity of the account. For an address without an account it names neither an account
    nor the address. Both cases take the same time, and operators see both.
    """
    user = find_by_email(email)
    record(Action.SIGN_IN_REFUSED, by=SOMEBODY, account=user, subject=client.device, address=client.address)


def renew_password_hash(user: User, password: str, hasher: PasswordHasher) -> None:
    """Rehash the password if its hash uses an old secret key, so that the old key can be removed later.

    Call it with the password that has just matched, before any write: after a concurrent change it rolls back.
    Raises PasswordReplaced if the password was changed meanwhile.
    """
    stored_hash = user.password_hash
    if not hasher.has_older or not stored_hash or hasher.is_current(password, stored_hash):
        return
    statement = update(User).where(User.id == user.id, User.password_hash == stored_hash)
    # SQLAlchemy would give `user` the new hash even if no row matched.
    renewal = statement.values(password_hash=hasher.hash(password)).execution_options(
        synchronize_session=False
    )
    is_renewed = affected_rows(renewal)
    if not is_renewed:
        # Not within a transaction: a hash takes long, and SQLite has one writer.
        db.session.rollback()
    db.session.refresh(user, ["password_hash"])
    # A concurrent log-in may have renewed the hash of the same password.
    if not is_renewed and not hasher.matches(password, user.password_hash):
        raise PasswordReplaced


class PasswordReplaced(Unauthenticated):
    """The password was changed after it had been checked."""

    def __init__(self) -> None:
        super().__init__(
            Code.MISSING_CREDENTIALS, "Your password was changed meanwhile. Log in with the new one."
        )


def start_session(
    user: User, kind: SessionKind, factors: Sequence[Factor], *, client: Client, host: str | None = None
) -> tuple[UserSession, str]:
    """Start a session of a user who authenticated with `factors`, on a machine with the name `host`.

    Returns its row and its secret value, of which only a digest is stored. Above MOST_SESSIONS of one user the
    least recently active ones end. Raises PasswordReplaced if the password was changed since `user` was loaded.
    """
    if Factor.PASSWORD in factors:
        lock_person(user)
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
    # After the first write, from which on SQLite has no other writer.
    query = select(User.password_hash).where(User.id == user.id)
    if Factor.PASSWORD in factors and db.session.scalar(query) != user.password_hash:
        raise PasswordReplaced
    live = select(UserSession.id).where(UserSession.user_id == user.id, UserSession.ended_at.is_(None))
    excess = live.order_by(UserSession.last_active_at.desc(), UserSession.id.desc()).offset(MOST_SESSIONS)
    db.session.execute(
        update(UserSession).where(UserSession.id.in_(excess.scalar_subquery())).values(ended_at=now())
    )
    return session, value


def find_session(value: str, kind: SessionKind) -> UserSession | None:
    """Return the session of `value`; None if it is unknown, ended, expired, idle, or its user is disabled."""
    session = db.session.scalar(
        select(UserSession).where(UserSession.digest == digest_of(value), UserSession.kind == kind)
    )
    if session is None or session.ended_at or session.user.disabled_at:
        return None
    has_expired = now() >= min(session.expires_at, session.last_active_at + IDLE_LIFETIME)
    return None if has_expired else session


def touch(session: UserSession) -> bool:
    """Record that the session is in use, at most once a minute; return whether there is something to commit."""
    at = now()
    if at - session.last_active_at < ACTIVITY_STEP:
        return False
    db.session.execute(
        update(UserSession)
        .where(UserSession.id == session.id, UserSession.last_active_at < at)
        .values(last_active_at=at)
    )
    return True


def void_device_logins_of(user: User) -> None:
    """Void the pending device logins of the user, so that none becomes a session."""
    lock_person(user)
    at = now()
    statement = update(DeviceLogin).where(DeviceLogin.user_id == user.id, DeviceLogin.used_at.is_(None))
    # Also clear the approval: a concurrent poll compares times with its own clock.
    db.session.execute(
        statement.where(DeviceLogin.expires_at > at).values(expires_at=at, decided_at=at, is_approved=False)
    )


def lock_person(user: User) -> None:
    """Lock the user's row against starting and voiding logins, until the transaction ends.

    Lock order: the person before a login or a recovery code.
    """
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update(key_share=True))


def end_session(session: UserSession, *, by: User, client: Client) -> None:
    """End a session on all nodes. Ending an ended session changes nothing."""
    if session.ended_at:
        return
    session.ended_at = now()
    record(Action.SIGNED_OUT, by=by, account=session.user, subject=client.device, address=client.address)
