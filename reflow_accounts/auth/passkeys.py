"""Passkeys (W3C Web Authentication): add, verify, rename, remove."""

import json
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import webauthn
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from webauthn.helpers import options_to_json_dict, parse_client_data_json
from webauthn.helpers.base64url_to_bytes import base64url_to_bytes
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.models import Passkey, PasskeyChallenge
from reflow_accounts.auth.security_mails import mail_notice
from reflow_accounts.database import affected_rows, db, now, require_row
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.users.models import User
from reflow_accounts.web import text
from reflow_accounts.web.request_info import Client

LONGEST_NAME = 64
LONGEST_CREDENTIAL_ID = 1023
# Time for the browser's dialog, and for a step-up in between.
CHALLENGE_LIFETIME = timedelta(minutes=10)
_TIMEOUT_MS = 5 * 60 * 1000
NOT_ADDED = "The passkey could not be added. Try again"


@dataclass(frozen=True)
class Site:
    """The relying party: the domain of the passkeys and the expected origin."""

    domain: str
    origin: str

    @classmethod
    def at(cls, origin: str) -> "Site":
        """Return the site of an origin, such as https://accounts.example.com."""
        parts = urlsplit(origin)
        domain = parts.hostname or ""
        # Browsers send it in lower case, without the scheme's default port.
        is_usual = parts.port in (None, 443 if parts.scheme == "https" else 80)
        return cls(domain, f"{parts.scheme}://{domain}" + ("" if is_usual else f":{parts.port}"))

    @property
    def address(self) -> str:
        """The domain if it is an IP address, for which browsers create no passkeys; else ""."""
        try:
            return str(ip_address(self.domain))
        except ValueError:
            return ""

    @property
    def local_name(self) -> str:
        """The origin with `localhost` instead of a loopback address; else ""."""
        is_local = self.address and ip_address(self.address).is_loopback
        return self.origin.replace(self.domain, "localhost") if is_local else ""


def passkeys_of(user: User) -> list[Passkey]:
    """List the user's passkeys, newest first."""
    query = select(Passkey).where(Passkey.user_id == user.id)
    return list(db.session.scalars(query.order_by(Passkey.created_at.desc(), Passkey.id.desc())))


def passkey_of(user: User, public_id: str) -> Passkey:
    """Return a passkey of the user. Raises NotFound, also for passkeys of other users."""
    query = select(Passkey).where(Passkey.public_id == public_id, Passkey.user_id == user.id)
    return require_row(query, "There is no passkey with this id.")


def checked_name(name: str) -> str:
    """Return the normalized name. Raises ValidationFailed with a message for its field."""
    return text.checked(name, LONGEST_NAME, field="name", empty="Enter a name for this passkey")


def options_to_add(user: User, site: Site) -> dict[str, Any]:
    """Return the browser's options to create a passkey, with a short-lived single-use challenge for the user."""
    descriptors = [PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in passkeys_of(user)]
    options = webauthn.generate_registration_options(
        rp_id=site.domain,
        rp_name="Reflow",
        user_id=user.public_id.encode(),
        user_name=user.email or user.full_name,
        user_display_name=user.full_name,
        challenge=_new_challenge(user),
        timeout=_TIMEOUT_MS,
        exclude_credentials=descriptors,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    return options_to_json_dict(options)


def options_to_verify(site: Site, user: User | None = None) -> dict[str, Any]:
    """Return the browser's options to use a passkey: one of `user`, or of any user at sign-in."""
    descriptors = [
        PublicKeyCredentialDescriptor(id=passkey.credential_id)
        for passkey in (passkeys_of(user) if user else ())
    ]
    options = webauthn.generate_authentication_options(
        rp_id=site.domain,
        challenge=_new_challenge(user),
        timeout=_TIMEOUT_MS,
        allow_credentials=descriptors,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def add(user: User, name: str, credential: str, site: Site, *, by: User, client: Client) -> Passkey:
    """Store a passkey that the user's browser created.

    `credential` is JSON from the browser. Raises ValidationFailed for an invalid name, and for a credential that is
    malformed, already registered, or made for another site or another user's challenge.
    """
    tidy_name = checked_name(name)
    data = _CredentialData.read(credential)
    if data is None or not _use_up(data.challenge, user):
        raise ValidationFailed(credential=NOT_ADDED)
    try:
        registration = webauthn.verify_registration_response(
            credential=data.credential,
            expected_challenge=data.challenge,
            expected_rp_id=site.domain,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except Exception:  # input from the browser can cause any error of the library
        raise ValidationFailed(credential=NOT_ADDED) from None
    passkey = Passkey(
        user=user,
        name=tidy_name,
        credential_id=registration.credential_id,
        public_key=registration.credential_public_key,
        sign_count=registration.sign_count,
    )
    try:
        with db.session.begin_nested():
            db.session.add(passkey)
    except IntegrityError:
        raise ValidationFailed(credential="This passkey was already added") from None
    _record(Action.PASSKEY_ADDED, passkey, by, client)
    mail_notice(user, f"The passkey “{tidy_name}” was added.", client)
    return passkey


def verify(credential: str, site: Site, user: User | None = None) -> Passkey | None:
    """Return the passkey that signed the challenge of `options_to_verify`, or None for an invalid credential.

    With `user` only their passkeys and challenges count. It counts as two factors: the authenticator
    has verified the person. Disabled and deleted users and service accounts cannot use passkeys.
    """
    data = _CredentialData.read(credential)
    if data is None or not _use_up(data.challenge, user):
        return None
    passkey = db.session.scalar(select(Passkey).where(Passkey.credential_id == data.credential_id))
    if passkey is None:
        return None
    owner = passkey.user
    if not owner.is_person or owner.disabled_at or owner.deleted_at or user not in (None, owner):
        return None
    try:
        authentication = webauthn.verify_authentication_response(
            credential=data.credential,
            expected_challenge=data.challenge,
            expected_rp_id=site.domain,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except Exception:  # as in `add`
        return None
    # A counter that did not increase may mean a cloned authenticator; one without a counter sends 0.
    count = authentication.new_sign_count
    is_next = (Passkey.sign_count < count) if count else (Passkey.sign_count == 0)
    statement = update(Passkey).where(Passkey.id == passkey.id, is_next)
    was_counted = affected_rows(statement.values(sign_count=count, last_used_at=now()))
    return passkey if was_counted else None


def rename(passkey: Passkey, name: str, *, by: User, client: Client) -> None:
    """Rename a passkey. Raises ValidationFailed for an invalid name."""
    tidy_name = checked_name(name)
    if tidy_name == passkey.name:
        return
    old, passkey.name = passkey.name, tidy_name
    _record(Action.PASSKEY_RENAMED, passkey, by, client, old=old)


def remove(passkey: Passkey, *, by: User, client: Client) -> None:
    """Delete a passkey. Repeating it changes nothing."""
    was_removed = affected_rows(delete(Passkey).where(Passkey.id == passkey.id))
    if was_removed:
        _record(Action.PASSKEY_REMOVED, passkey, by, client)
        mail_notice(passkey.user, f"The passkey “{passkey.name}” was removed.", client)


@dataclass(frozen=True)
class _CredentialData:
    """Challenge and passkey id of a browser's credential, before verification."""

    credential: dict[str, Any]
    credential_id: bytes
    challenge: bytes

    @classmethod
    def read(cls, credential: str) -> "_CredentialData | None":
        try:
            data = json.loads(credential)
            client_data = parse_client_data_json(base64url_to_bytes(data["response"]["clientDataJSON"]))
            credential_id = base64url_to_bytes(data["rawId"])
        except Exception:  # input of any shape, and any error of the library
            return None
        has_valid_length = 0 < len(credential_id) <= LONGEST_CREDENTIAL_ID
        return cls(data, credential_id, client_data.challenge) if has_valid_length else None


def _new_challenge(user: User | None) -> bytes:
    """Create a challenge and delete expired ones."""
    at = now()
    db.session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.expires_at <= at))
    value = webauthn.helpers.generate_challenge()
    expires_at = at + CHALLENGE_LIFETIME
    db.session.add(PasskeyChallenge(value=value, user_id=user.id if user else None, expires_at=expires_at))
    db.session.flush()
    return value


def _use_up(challenge: bytes, user: User | None) -> bool:
    """Delete a challenge; return whether it was valid and made for this user (None: for a sign-in)."""
    statement = delete(PasskeyChallenge).where(
        PasskeyChallenge.value == challenge,
        PasskeyChallenge.expires_at > now(),
        PasskeyChallenge.user_id == (user.id if user else None),
    )
    return bool(affected_rows(statement))


def _record(action: Action, passkey: Passkey, by: User, client: Client, **details: Any) -> None:
    record(
        action,
        by=by,
        account=passkey.user,
        subject=passkey.name,
        address=client.address,
        passkey=passkey.public_id,
        **details,
    )
