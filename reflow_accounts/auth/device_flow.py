"""Logins of a terminal that a browser approves: OAuth 2.0 device authorization (RFC 8628)."""

import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import lock_person, start_session
from reflow_accounts.auth.models import LONGEST_HOST, DeviceLogin, Factor, SessionKind, UserSession
from reflow_accounts.auth.secrets import digest_of
from reflow_accounts.database import affected_rows, db, now, require_row
from reflow_accounts.errors import BadRequest, Conflict, ValidationFailed
from reflow_accounts.users.models import User
from reflow_accounts.web import text
from reflow_accounts.web.request_info import Client

LIFETIME = timedelta(minutes=10)
# RFC 8628, 3.5: seconds between two polls, and the increase after each poll that came too early.
INTERVAL = 5
SLOWER = 5
SLOWEST = 60
# Tolerance for varying network delay.
_LENIENCE = timedelta(seconds=1)
# RFC 8628, 6.1: only consonants, so that no words and no similar characters appear; 20^8 codes.
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_CODE_LENGTH = 8
_DEVICE_CODE_BYTES = 32
WRONG_CODE = "This code is unknown or no longer valid. Check your terminal, or run reflow login again"
# Ended logins are kept for a while, so that an open page can show their state.
_KEPT = timedelta(days=1)


class Refusal(StrEnum):
    """Error codes of a poll that returns no session (RFC 8628, 3.5 and RFC 6749, 5.2)."""

    PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    DENIED = "access_denied"
    EXPIRED = "expired_token"
    INVALID = "invalid_grant"


_SENTENCES = {
    Refusal.PENDING: "The login is not approved yet. Poll again after the interval.",
    Refusal.SLOW_DOWN: "You poll too often. Wait five seconds longer between two polls.",
    Refusal.DENIED: "The login was denied.",
    Refusal.EXPIRED: "The code has expired. Start again.",
    Refusal.INVALID: "There is no login with this device code, or the code was already used. Start again.",
}


def ask(host: str, *, client: Client) -> tuple[DeviceLogin, str, str]:
    """Start a login for a machine with the name `host` (any text; it is shortened and cleaned).

    Returns its row, the secret device code of the terminal and the user code to type (XXXX-XXXX).
    Only digests of the codes are stored.
    """
    device_code = secrets.token_urlsafe(_DEVICE_CODE_BYTES)
    host_name = text.tidy("".join(letter for letter in host if letter.isprintable()))[:LONGEST_HOST]
    for _ in range(10):
        user_code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH))
        login = DeviceLogin(
            device_digest=digest_of(device_code),
            user_digest=digest_of(user_code),
            host=host_name,
            address=client.address,
            user_agent=client.user_agent,
            expires_at=now() + LIFETIME,
            interval=INTERVAL,
        )
        try:
            with db.session.begin_nested():
                db.session.add(login)
        except IntegrityError:  # another login has the same user code
            continue
        return login, device_code, f"{user_code[:4]}-{user_code[4:]}"
    raise AssertionError("no free code among 20^8")


def reserve(user: User, code: str) -> DeviceLogin:
    """Reserve the login with this user code for the user who typed it, and return it.

    Ignores case, spaces and dashes. Raises ValidationFailed for a code that is unknown, expired,
    already decided, or reserved for another user.
    """
    lock_person(user)
    user_code = "".join(letter for letter in code.upper() if letter.isalnum())
    is_mine = DeviceLogin.user_id.is_(None) | (DeviceLogin.user_id == user.id)
    statement = update(DeviceLogin).where(
        DeviceLogin.user_digest == digest_of(user_code), _is_open(now()), is_mine
    )
    is_claimed = bool(user_code) and bool(affected_rows(statement.values(user_id=user.id)))
    if not is_claimed:
        raise ValidationFailed(code=WRONG_CODE if user_code else "Enter the code that your terminal shows")
    query = select(DeviceLogin).where(DeviceLogin.user_digest == digest_of(user_code))
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def login_of(user: User, public_id: str) -> DeviceLogin:
    """Return a login that the user has claimed, in any state. Raises NotFound, also for those of other users."""
    query = select(DeviceLogin).where(DeviceLogin.public_id == public_id, DeviceLogin.user_id == user.id)
    return require_row(query, "There is no login with this id.")


def decide(login: DeviceLogin, is_approved: bool, *, by: User, client: Client) -> None:
    """Approve or deny a login. Repeating the decision changes nothing.

    Raises Conflict if the login has expired or the other decision was made.
    """
    lock_person(by)
    at = now()
    statement = update(DeviceLogin).where(DeviceLogin.id == login.id, _is_open(at))
    values = {"decided_at": at, "is_approved": is_approved}
    is_first = affected_rows(statement.values(values))
    db.session.refresh(login)
    if not is_first and login.is_approved != is_approved:
        raise Conflict("This login has expired, or was already approved or denied.")
    if is_first:
        record(
            Action.DEVICE_APPROVED if is_approved else Action.DEVICE_DENIED,
            by=by,
            account=by,
            subject=login.name,
            address=client.address,
            asked_from=login.address,
        )


def exchange(device_code: str, *, client: Client) -> tuple[UserSession, str]:
    """Return the session of an approved login and its secret; of concurrent polls only one gets them.

    Otherwise raises BadRequest with the member `error` (Refusal); the caller then commits the poll's record.
    """
    digest, at = digest_of(device_code), now()
    login = db.session.scalar(select(DeviceLogin).where(DeviceLogin.device_digest == digest))
    if login is None or login.used_at:
        raise _bad_request(Refusal.INVALID)
    if at >= login.expires_at or (login.user and login.user.disabled_at):
        raise _bad_request(Refusal.EXPIRED)
    if login.is_approved is False:
        raise _bad_request(Refusal.DENIED)
    if login.is_approved is None or login.user is None:
        raise _bad_request(_record_poll(login, at))
    lock_person(login.user)
    statement = update(DeviceLogin).where(
        DeviceLogin.id == login.id, DeviceLogin.used_at.is_(None), DeviceLogin.is_approved.is_(True)
    )
    is_first = affected_rows(statement.values(used_at=at))
    if not is_first:
        raise _bad_request(Refusal.INVALID)
    return start_session(login.user, SessionKind.COMMAND, [Factor.BROWSER], client=client, host=login.host)


def prune_device_logins() -> int:
    """Delete the logins that ended a day ago; return their number."""
    return affected_rows(delete(DeviceLogin).where(DeviceLogin.expires_at < now() - _KEPT))


def _record_poll(login: DeviceLogin, at: datetime) -> Refusal:
    """Record a poll; if it came too early, lengthen the interval."""
    is_early = login.polled_at is not None and (
        at - login.polled_at + _LENIENCE < timedelta(seconds=login.interval)
    )
    if login.polled_at is not None and at - login.polled_at < _LENIENCE:
        # Not recorded, so that polls without a pause do not each cause a write.
        return Refusal.SLOW_DOWN
    interval = min(login.interval + (SLOWER if is_early else 0), SLOWEST)
    statement = update(DeviceLogin).where(DeviceLogin.id == login.id).values(polled_at=at, interval=interval)
    db.session.execute(statement)
    return Refusal.SLOW_DOWN if is_early else Refusal.PENDING


def _is_open(at: datetime) -> ColumnElement[bool]:
    return (DeviceLogin.expires_at > at) & DeviceLogin.decided_at.is_(None)


def _bad_request(refusal: Refusal) -> BadRequest:
    return BadRequest(_SENTENCES[refusal], error=refusal)
