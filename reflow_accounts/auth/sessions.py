"""A person's sessions: see them, end them, prove again, forget old ones."""

import secrets
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select, update

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import ACTIVITY_STEP, COOKIE_VALUE_BYTES, IDLE_LIFETIME, void_device_logins_of
from reflow_accounts.auth.models import Factor, UserSession
from reflow_accounts.auth.secrets import digest_of
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.errors import NotFound
from reflow_accounts.users.models import User
from reflow_accounts.web.pagination import Page, Position, older_than, read_cursor
from reflow_accounts.web.request_info import Client

# OWASP ASVS 5.0, 7.5.1 and 7.5.3: how old the last proof may be before a grave act.
PROOF_LIFETIME = timedelta(minutes=30)
# The support console: how long it may rest, and how old the last proof may be however busy it is (7.3.1, 7.3.2).
SUPPORT_IDLE_LIFETIME = timedelta(minutes=30)
SUPPORT_ABSOLUTE_LIFETIME = timedelta(hours=12)

ROWS_ON_A_PAGE = 50
# A session that is over stays this long for those who look into something; the audit log keeps its acts.
KEPT_AFTER_END = timedelta(days=30)


def other_sessions_page(session: UserSession, *, cursor: str | None = None) -> Page[UserSession]:
    """Return one page of the person's other live sessions, the last active first.

    Raises ValidationFailed for a cursor that no page gave.
    """
    query = select(UserSession).where(_is_live_of(session.user), UserSession.id != session.id)
    before = Position.of(read_cursor(cursor, 2))
    if before:
        query = query.where(older_than(UserSession.last_active_at, UserSession.id, before))
    query = query.order_by(UserSession.last_active_at.desc(), UserSession.id.desc())
    rows = list(db.session.scalars(query.limit(ROWS_ON_A_PAGE + 1)))
    return Page.cut(rows, ROWS_ON_A_PAGE, lambda row: Position(row.last_active_at, row.id).numbers)


def other_session_of(session: UserSession, public_id: str) -> UserSession:
    """Return another session of the same person, live or over. Raises NotFound, for others' sessions too."""
    found = db.session.scalar(
        select(UserSession).where(
            UserSession.public_id == public_id,
            UserSession.user_id == session.user_id,
            UserSession.id != session.id,
        )
    )
    if found is None:
        raise NotFound("There is no other session with this id.")
    return found


def end_elsewhere(session: UserSession, *, by: User, client: Client) -> bool:
    """End a session from another one, at once on every node; say whether it was live until now.

    What it may have approved and no terminal has fetched yet is void with it.
    """
    void_device_logins_of(session.user)
    was_live = _end(UserSession.id == session.id, session.user) > 0
    if was_live:
        record(
            Action.SESSION_ENDED_ELSEWHERE,
            by=by,
            account=session.user,
            subject=session.device,
            address=client.address,
            session=session.public_id,
        )
    db.session.flush()
    return was_live


def end_sessions(
    user: User, *, keep: UserSession | None = None, by: User | None, client: Client | None = None
) -> int:
    """End every session of the user but `keep`, of browsers and of the command; return how many there were.

    `by` None is an operator.
    """
    void_device_logins_of(user)
    count = _end(UserSession.id != keep.id if keep else UserSession.user_id == user.id, user)
    if count:
        record(
            Action.SESSION_ENDED_ELSEWHERE,
            by=by,
            account=user,
            subject=f"{count} session{'' if count == 1 else 's'}",
            address=client.address if client else "",
            count=count,
        )
    db.session.flush()
    return count


def prune_sessions() -> int:
    """Remove the sessions that have been over for thirty days; return how many there were."""
    end = now() - KEPT_AFTER_END
    over = or_(
        UserSession.ended_at < end,
        UserSession.expires_at < end,
        UserSession.last_active_at < end - IDLE_LIFETIME,
    )
    return affected_rows(delete(UserSession).where(over))


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


def confirm(session: UserSession, factor: Factor, *, client: Client) -> str | None:
    """Note that the person has just proved again, by `factor`, to be the person.

    Return the value that opens the session from now on, in place of the old one (OWASP ASVS 5.0, 7.2.4);
    None when another request has renewed it in the same moment, whose answer carries the value.
    """
    value = secrets.token_urlsafe(COOKIE_VALUE_BYTES)
    renewed = (
        update(UserSession)
        .where(UserSession.id == session.id, UserSession.digest == session.digest)
        .values(digest=digest_of(value), proven_at=now())
    )
    is_first = bool(affected_rows(renewed))
    record(
        Action.CONFIRMED,
        by=session.user,
        account=session.user,
        subject=client.device,
        address=client.address,
        factors=[factor],
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


def _is_live_of(user: User) -> ColumnElement[bool]:
    at = now()
    return and_(
        UserSession.user_id == user.id,
        UserSession.ended_at.is_(None),
        UserSession.expires_at > at,
        UserSession.last_active_at > at - IDLE_LIFETIME,
    )


def _end(which: ColumnElement[bool], user: User) -> int:
    """End the live ones among a user's sessions; the database decides between two who do so at once."""
    ended = update(UserSession).where(which, _is_live_of(user)).values(ended_at=now())
    return affected_rows(ended)
