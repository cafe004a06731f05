"""Create users; change a user's name and settings."""

from collections.abc import Mapping

from sqlalchemy.exc import IntegrityError

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import checked_email, find_by_email
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.database import db
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.users.models import LONGEST_NAME, Appearance, MailSwitch, User, UserKind
from reflow_accounts.web import text
from reflow_accounts.web.request_info import Client
from reflow_accounts.web.time_zones import zone_names


def add_person(
    full_name: str, email: str, password: str, hasher: PasswordHasher, *, is_staff: bool = False
) -> User:
    """Create a person who can sign in. Raises ValidationFailed for a bad or taken address or a bad name."""
    return add_hashed_person(full_name, email, hasher.hash(password), is_staff=is_staff)


def add_hashed_person(
    full_name: str, email: str, password_hash: str | None, *, is_staff: bool = False
) -> User:
    """Create a person with a password hash, as `add_person` does; a unique constraint decides concurrent calls.

    Without a hash, the person cannot sign in before setting a password with a mailed link.
    """
    name, address = checked_full_name(full_name), checked_email(email)
    taken = ValidationFailed(email="This email address has an account already")
    # Older versions stored other forms of an address, which the constraint does not compare.
    if find_by_email(address):
        raise taken
    user = User(full_name=name, email=address, password_hash=password_hash, is_staff=is_staff)
    try:
        with db.session.begin_nested():
            db.session.add(user)
    except IntegrityError:
        raise taken from None
    return user


def add_service_account_user(name: str) -> User:
    """Create the user of a service account, without address and password; it cannot sign in."""
    user = User(full_name=checked_full_name(name), kind=UserKind.SERVICE_ACCOUNT)
    db.session.add(user)
    db.session.flush()
    return user


def change_profile(
    user: User,
    full_name: str,
    appearance: str,
    time_zone: str,
    *,
    mails: Mapping[MailSwitch, bool],
    by: User,
    client: Client,
) -> None:
    """Change a user's name and settings; `mails` says which kinds of mail about API keys are wanted.

    Raises ValidationFailed for an invalid name or choice.
    """
    name = checked_full_name(full_name)
    if appearance not in list(Appearance):
        raise ValidationFailed(appearance="Choose one of the appearances")
    if time_zone not in zone_names():
        raise ValidationFailed(time_zone="Choose one of the time zones")
    if name != user.full_name:
        record(
            Action.PROFILE_CHANGED,
            by=by,
            account=user,
            subject=name,
            address=client.address,
            old=user.full_name,
        )
    user.full_name, user.appearance, user.time_zone = name, appearance, time_zone
    for switch, is_on in mails.items():
        setattr(user, switch.column, is_on)
    db.session.flush()


def checked_full_name(value: str) -> str:
    """Return the normalized name. Raises ValidationFailed with a message for its field."""
    name = text.tidy(value)
    fault = text.fault_of(name, LONGEST_NAME, empty="Enter your full name")
    if fault:
        raise ValidationFailed(full_name=fault)
    return name
