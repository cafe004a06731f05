"""Sessions of a person: list, end, confirm by step-up, prune."""

import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, true, update

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import ACTIVITY_STEP, COOKIE_VALUE_BYTES, IDLE_LIFETIME, void_device_logins_of
from reflow_accounts.auth.models import Factor, UserSession
from reflow_accounts.auth.secrets import digest_of
from reflow_accounts.database import affected_rows, db, now, require_row
from reflow_accounts.errors import Gone
from reflow_accounts.users.models import User
from reflow_accounts.web.pagination import Page, newest_first
from reflow_accounts.web.request_info import Client

# OWASP ASVS 5.0, 7.5.1 and 7.5.3: maximum age of the last authentication for a sensitive action.
PROOF_LIFETIME = timedelta(minutes=30)
# The support console: idle timeout, and maximum age of the last authentication (7.3.1, 7.3.2).
SUPPORT_IDLE_LIFETIME = timedelta(minutes=30)
SUPPORT_ABSOLUTE_LIFETIME = timedelta(hours=12)

ROWS_ON_A_PAGE = 50
# Ended sessions are kept for investigations; the audit log keeps their actions longer.
KEPT_AFTER_END = timedelta(days=30)


def other_sessions_page(session: UserSession, *, cursor: str | None = None) -> Page[UserSession]:
    """Return one page of the person's other live sessions, most recently active first.

    Raises ValidationFailed for an invalid cursor.
    """
    query = select(UserSession).where(_is_live_of(session.user), UserSession.id != session.id)
    columns = (UserSession.last_active_at, UserSession.id)
    return newest_first(query, *columns, limit=ROWS_ON_A_PAGE, cursor=cursor)


def live_sessions_of(user: User, *, limit: int) -> list[UserSession]:
    """Return up to `limit` live sessions of a person, most recently active first."""
    query = select(UserSession).where(_is_live_of(user))
    query = query.order_by(UserSession.last_active_at.desc(), UserSession.id.desc())
    return list(db.session.scalars(query.limit(limit)))


def count_live_sessions(user: User) -> int:
    """Return the number of live sessions of a person."""
    return db.session.scalar(select(func.count()).where(_is_live_of(user))) or 0


def other_session_of(session: UserSession, public_id: str) -> UserSession:
    """Return another session of the same person, live or ended. Raises NotFound, also for other users' sessions."""
    query = select(UserSession).where(
        UserSession.public_id == public_id,
        UserSession.user_id == session.user_id,
        UserSession.id != session.id,
    )
    return require_row(query, "There is no other session with this id.")


def end_elsewhere(session: UserSession, *, by: User, client: Client) -> bool:
    """End a session from another one, on all nodes; return whether it was live.

    Also voids approved device logins that no terminal has fetched.
    """
    void_device_logins_of(session.user)
    conditions = (UserSession.id == session.id, _is_live_of(session.user))
    # Of two concurrent calls, one ends the session.
    was_live = affected_rows(update(UserSession).where(*conditions).values(ended_at=now())) > 0
    if was_live:
        record(
            Action.SESSION_ENDED_ELSEWHERE,
            by=by,
            account=session.user,
            subject=session.device,
            address=client.address,
            session=session.public_id,
        )
    return was_live


def end_sessions_of(user: User, *, but: UserSession | None = None) -> int:
    """End every session of the user, in browsers and terminals, except `but`; return how many had not expired.

    Voids pending device logins first; waits for one that is becoming a session, and ends that session.
    """
    void_device_logins_of(user)
    is_other = UserSession.id != but.id if but else true()
    count = db.session.scalar(select(func.count()).where(is_other, _is_live_of(user))) or 0
    # The expired ones, too: they would live again if the clock of this node is ahead, or with a request under way.
    statement = update(UserSession).where(
        UserSession.user_id == user.id, UserSession.ended_at.is_(None), is_other
    )
    db.session.execute(statement.values(ended_at=now()))
    return count


def end_sessions(
    user: User,
    *,
    but: UserSession | None = None,
    by: User | None,
    client: Client | None = None,
    **details: Any,
) -> int:
    """Do the same as `end_sessions_of`, and record it in the audit log with `details`. `by` None is an operator."""
    count = end_sessions_of(user, but=but)
    if count:
        record(
            Action.SESSION_ENDED_ELSEWHERE,
            by=by,
            account=user,
            subject=f"{count} session{'' if count == 1 else 's'}",
            address=client.address if client else "",
            count=count,
            **details,
        )
    return count


def prune_sessions() -> int:
    """Delete sessions that ended thirty days ago; return their number."""
    end = now() - KEPT_AFTER_END
    is_over = or_(
        UserSession.ended_at < end,
        UserSession.expires_at < end,
        UserSession.last_active_at < end - IDLE_LIFETIME,
    )
    return affected_rows(delete(UserSession).where(is_over))


def has_recent_proof(session: UserSession) -> bool:
    """Return whether the last authentication, by sign-in or step-up, is at most 30 minutes old."""
    return session.proven_at is not None and now() - session.proven_at <= PROOF_LIFETIME


def is_open_for_support(session: UserSession) -> bool:
    """Return whether the session may use the support console without a step-up."""
    if session.proven_at is None:
        return False
    last_active_at = max(session.proven_at, session.support_active_at or session.proven_at)
    return (
        now() - last_active_at <= SUPPORT_IDLE_LIFETIME
        and now() - session.proven_at <= SUPPORT_ABSOLUTE_LIFETIME
    )


def touch_support(session: UserSession) -> bool:
    """Record use of the console, at most once a minute; return whether there is something to commit."""
    at = now()
    if session.support_active_at and at - session.support_active_at < ACTIVITY_STEP:
        return False
    session.support_active_at = at
    db.session.flush()
    return True


def confirm(session: UserSession, factor: Factor, *, client: Client) -> str | None:
    """Record a step-up with `factor`.

    Returns the new value of the session, which replaces the old one (OWASP ASVS 5.0, 7.2.4); None if a concurrent
    request replaced it, whose response carries the new value. Raises Gone if the session ended meanwhile, for example
    because the password was changed.
    """
    value = secrets.token_urlsafe(COOKIE_VALUE_BYTES)
    statement = (
        update(UserSession)
        .where(
            UserSession.id == session.id,
            UserSession.digest == session.digest,
            UserSession.ended_at.is_(None),
        )
        .values(digest=digest_of(value), proven_at=now())
    )
    is_first = bool(affected_rows(statement))
    db.session.refresh(session, ["ended_at"])
    if session.ended_at:
        raise Gone("Your session has ended. Log in again")
    record(
        Action.CONFIRMED,
        by=session.user,
        account=session.user,
        subject=client.device,
        address=client.address,
        factors=[factor],
    )
    return value if is_first else None


def refuse_confirmation(session: UserSession, *, client: Client) -> None:
    """Record a failed step-up of this session."""
    record(
        Action.CONFIRMATION_REFUSED,
        by=session.user,
        account=session.user,
        subject=client.device,
        address=client.address,
    )


def _is_live_of(user: User) -> ColumnElement[bool]:
    """Return the condition for sessions of the user that have neither ended nor expired."""
    at = now()
    return and_(
        UserSession.user_id == user.id,
        UserSession.ended_at.is_(None),
        UserSession.expires_at > at,
        UserSession.last_active_at > at - IDLE_LIFETIME,
    )
