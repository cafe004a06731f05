"""The second factor: an authenticator app (TOTP, RFC 6238) and its recovery codes."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import timedelta

import pyotp
from sqlalchemy import func, select, update

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import SOMEBODY, record
from reflow_accounts.auth import recovery_codes
from reflow_accounts.auth.encryption import vault
from reflow_accounts.auth.models import Passkey
from reflow_accounts.auth.security_mails import mail_notice
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.errors import Conflict, Gone, ValidationFailed
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client

ISSUER = "Reflow"
WRONG_CODE = "This code is not correct, or it was used before. Enter the next one of your app"
WRONG_FIRST_CODE = (
    "This code is not correct. Enter the newest one of your app, and check the clock of your phone"
)
# Lifetime of a setup page.
SETUP_LIFETIME = timedelta(hours=1)
_DIGITS = 6
# Accept codes one time step of 30 seconds early and late, for clock differences (RFC 6238, 5.2).
_DRIFT = (0, -1, 1)
_LONGEST_TYPED = 64
# Secrets that a start tries to open.
_SAMPLE = 20


@dataclass(frozen=True)
class Setup:
    """A new secret before its first code. The page sends `sealed` back; nothing is stored until then."""

    secret: str = field(repr=False)
    sealed: str = field(repr=False)
    # Content of the QR code (key URI format of authenticator apps).
    address: str = field(repr=False)


@dataclass(frozen=True)
class SecondFactorStatus:
    """State of a second factor: whether it is on, the number of unused recovery codes, and their version."""

    is_on: bool
    codes_left: int
    codes: str


def status_of(user: User) -> SecondFactorStatus:
    """Return the state of the user's second factor."""
    return SecondFactorStatus(is_on(user), recovery_codes.count_left(user), version_of_codes(user))


def is_on(user: User) -> bool:
    """Return whether the user has an active authenticator app."""
    return user.totp_on_at is not None


def has_second_factor(user: User) -> bool:
    """Return whether the user has an authenticator app or a passkey."""
    return is_on(user) or _has_passkey(user)


def is_required_for(user: User) -> bool:
    """Return whether this user needs a second factor after the password.

    A passkey is an alternative to the password; only for staff is it also required as second factor.
    """
    return is_on(user) or (user.is_staff and _has_passkey(user))


def new_setup(user: User) -> Setup:
    """Create a secret for the user's authenticator app."""
    secret = pyotp.random_base32()
    return _setup(user, secret, _seal_secret(user, secret).decode("ascii"))


def setup_of(user: User, sealed: str) -> Setup:
    """Return the setup that the user's page sent back. Raises Gone if it has expired or belongs to another user."""
    secret = _open_secret(user, sealed.encode("utf-8", "surrogatepass"), SETUP_LIFETIME)
    if secret is None:
        raise Gone("This page was open for too long. Set up two-factor authentication again.")
    return _setup(user, secret, sealed)


def turn_on(user: User, setup: Setup, code: str, *, by: User, client: Client) -> list[str]:
    """Activate the authenticator app with this secret; return the recovery codes, which are not stored.

    Raises ValidationFailed for a wrong code, and Conflict if the second factor is on: of two concurrent
    requests one turns it on.
    """
    step = _step_of(setup.secret, code)
    if step is None:
        raise ValidationFailed(code=WRONG_FIRST_CODE)
    statement = (
        update(User)
        .where(User.id == user.id, User.totp_on_at.is_(None))
        .values(totp_secret=_seal_secret(user, setup.secret), totp_on_at=now(), totp_step=step)
    )
    if not affected_rows(statement):
        raise Conflict("Two-factor authentication is already on. Its recovery codes cannot be shown again.")
    db.session.refresh(user)
    recovery_codes.forget(user)
    _record_and_mail(Action.SECOND_FACTOR_ON, user, by, client)
    return recovery_codes.issue(user)


def has_foreign_secrets() -> bool:
    """Return whether no secret key opens the newest secrets of authenticator apps: they belong to another key."""
    query = select(User.totp_secret).order_by(User.totp_on_at.desc()).limit(_SAMPLE)
    sealed_secrets = [
        sealed for sealed in db.session.scalars(query.where(User.totp_secret.is_not(None))) if sealed
    ]
    db.session.rollback()
    return bool(sealed_secrets) and not any(vault().open(sealed) for sealed in sealed_secrets)


def turn_off(user: User, *, by: User | None, client: Client) -> None:
    """Delete the secret and the recovery codes. Repeating it changes nothing."""
    if not is_on(user):
        return
    user.totp_secret = user.totp_on_at = user.totp_step = None
    recovery_codes.forget(user)
    _record_and_mail(Action.SECOND_FACTOR_OFF, user, by, client)


def accept_code(user: User, code: str) -> bool:
    """Return whether `code` is a current, unused code of the authenticator app.

    One statement stores the step of an accepted code, so that no code counts twice, on any
    process or node (OWASP ASVS 5.0, 6.5.1).
    """
    sealed = user.totp_secret
    secret = _open_secret(user, sealed) if sealed and is_on(user) else None
    step = _step_of(secret, code, user.totp_step) if secret else None
    if not secret or not sealed or step is None:
        return False
    is_new = User.totp_step.is_(None) | (User.totp_step < step)
    statement = update(User).where(User.id == user.id, User.totp_on_at.is_not(None), is_new)
    if not affected_rows(statement.values(totp_step=step)):
        return False
    if not vault().is_current(sealed):
        user.totp_secret = _seal_secret(user, secret)
    db.session.flush()
    return True


def refuse(user: User, *, client: Client) -> None:
    """Record a wrong code after a correct password."""
    subject = f"{client.device}, wrong code"
    record(Action.SIGN_IN_REFUSED, by=SOMEBODY, account=user, subject=subject, address=client.address)


def new_recovery_codes(user: User, version: str, *, by: User, client: Client) -> list[str]:
    """Replace the recovery codes of `version` (see `version_of_codes`); return the new ones.

    Raises Conflict if they were replaced, or the second factor was turned off, in the meantime.
    """
    codes = recovery_codes.renew(
        user, recovery_codes.made_at(user) if version == version_of_codes(user) else None
    )
    _record_and_mail(Action.RECOVERY_CODES_MADE, user, by, client)
    return codes


def version_of_codes(user: User) -> str:
    """Return a version of the user's recovery codes, which changes when they are replaced."""
    at = recovery_codes.made_at(user)
    return f"{at:%Y%m%d%H%M%S%f}" if at else ""


def state_of(user: User) -> str:
    """Return a digest that changes when the password or second factor changes, or a second factor is used."""
    last_passkey = select(func.max(Passkey.last_used_at)).where(Passkey.user_id == user.id)
    parts = (
        user.password_hash,
        user.totp_on_at,
        user.totp_step,
        recovery_codes.last_used_at(user),
        db.session.scalar(last_passkey),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _has_passkey(user: User) -> bool:
    return db.session.scalar(select(Passkey.id).where(Passkey.user_id == user.id).limit(1)) is not None


def _setup(user: User, secret: str, sealed: str) -> Setup:
    address = pyotp.TOTP(secret).provisioning_uri(name=user.email or user.full_name, issuer_name=ISSUER)
    return Setup(secret, sealed, address)


def _seal_secret(user: User, secret: str) -> bytes:
    # Contains the user's id, so that it is invalid for other users.
    return vault().seal(f"{user.public_id} {secret}")


def _open_secret(user: User, sealed: bytes, lifetime: timedelta | None = None) -> str | None:
    owner, _, secret = (vault().open(sealed, lifetime=lifetime) or "").partition(" ")
    return secret if owner == user.public_id else None


def _step_of(secret: str, code: str, last_step: int | None = None) -> int | None:
    """Return the current or adjacent time step, after `last_step`, that has this code; ignores spaces."""
    digits = "".join(code[:_LONGEST_TYPED].split())
    if len(digits) != _DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    totp = pyotp.TOTP(secret, digits=_DIGITS)
    current = totp.timecode(now())
    # Two steps can have the same code.
    steps = [current + drift for drift in _DRIFT if last_step is None or current + drift > last_step]
    return next((step for step in steps if hmac.compare_digest(totp.generate_otp(step), digits)), None)


def _record_and_mail(action: Action, user: User, by: User | None, client: Client) -> None:
    record(action, by=by, account=user, address=client.address)
    mail_notice(user, f"{action.title}.", client)
