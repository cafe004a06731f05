"""A person's sessions: proving again, keeping the support console open."""

import secrets
from datetime import timedelta

from sqlalchemy import update

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.extensions import db, now
from reflow_accounts.identity.models import UserSession
from reflow_accounts.identity.secrets import digest_of
from reflow_accounts.identity.service import ACTIVITY_STEP, COOKIE_VALUE_BYTES
from reflow_accounts.web.client import Client

# OWASP ASVS 5.0, 7.5.1 and 7.5.3: how old the last proof may be before a grave act.
PROOF_LIFETIME = timedelta(minutes=30)
# The support console: how long it may rest, and how old the last proof may be however busy it is (7.3.1, 7.3.2).
SUPPORT_IDLE_LIFETIME = timedelta(minutes=30)
SUPPORT_ABSOLUTE_LIFETIME = timedelta(hours=12)


def has_recent_proof(session: UserSession) -> bool:
    """Say whether the person proved to be the person in the last 30 minutes, by signing in or again later."""
    return session.proven_at is not None and now() - session.proven_at <= PROOF_LIFETIME


def is_open_for_support(session: UserSession) -> bool:
    """Say whether the session may use the support console without another proof."""
    if session.proven_at is None:
        return False
    last_active_at = max(session.proven_at, session.support_active_at or session.proven_at)
    return (
        now() - last_active_at <= SUPPORT_IDLE_LIFETIME
        and now() - session.proven_at <= SUPPORT_ABSOLUTE_LIFETIME
    )


def touch_support(session: UserSession) -> bool:
    """Note that the console is in use, at most once a minute; say whether there is something to commit."""
    at = now()
    if session.support_active_at and at - session.support_active_at < ACTIVITY_STEP:
        return False
    session.support_active_at = at
    db.session.flush()
    return True


def confirm(session: UserSession, *, client: Client) -> str | None:
    """Note that the person has just proved again to be the person.

    Return the value that opens the session from now on, in place of the old one (OWASP ASVS 5.0, 7.2.4);
    None when another request has renewed it in the same moment, whose answer carries the value.
    """
    value = secrets.token_urlsafe(COOKIE_VALUE_BYTES)
    renewed = (
        update(UserSession)
        .where(UserSession.id == session.id, UserSession.digest == session.digest)
        .values(digest=digest_of(value), proven_at=now())
    )
    is_first = bool(db.session.execute(renewed).rowcount)  # type: ignore[attr-defined]  # an UPDATE has one
    record(
        Action.CONFIRMED, by=session.user, account=session.user, subject=client.device, address=client.address
    )
    db.session.flush()
    return value if is_first else None


def refuse_confirmation(session: UserSession, *, client: Client) -> None:
    """Write down that somebody with this session could not prove to be the person."""
    record(
        Action.CONFIRMATION_REFUSED,
        by=session.user,
        account=session.user,
        subject=client.device,
        address=client.address,
    )
    db.session.flush()
