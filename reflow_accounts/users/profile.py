"""Create users; change a user's name, settings and e-mail address."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import checked_email, find_by_email
from reflow_accounts.auth.mail_links import add_link, drop_links_of, lock_links_of, use
from reflow_accounts.auth.models import LinkPurpose, MailLink
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.database import db
from reflow_accounts.email_addresses import is_same
from reflow_accounts.errors import Gone, ValidationFailed
from reflow_accounts.mail.service import post, resolver
from reflow_accounts.users.models import LONGEST_NAME, Appearance, MailSwitch, User, UserKind
from reflow_accounts.web import text
from reflow_accounts.web.request_info import Client
from reflow_accounts.web.text import zone_names


def add_person(
    full_name: str, email: str, password: str, hasher: PasswordHasher, *, is_staff: bool = False
) -> User:
    """Create a person who can sign in. Raises ValidationFailed for an invalid name, or an invalid or taken address."""
    return add_hashed_person(full_name, email, hasher.hash(password), is_staff=is_staff)


def add_hashed_person(
    full_name: str, email: str, password_hash: str | None, *, is_staff: bool = False
) -> User:
    """Create a person with a password hash, as `add_person` does; a unique constraint decides concurrent calls.

    Without a hash, the person cannot sign in before setting a password with a mailed link.
    """
    name, address = checked_full_name(full_name), checked_email(email)
    error = ValidationFailed(email="This email address has an account already")
    # Older versions stored other forms of an address, which the constraint does not compare.
    if find_by_email(address):
        raise error
    user = User(full_name=name, email=address, password_hash=password_hash, is_staff=is_staff)
    try:
        with db.session.begin_nested():
            db.session.add(user)
    except IntegrityError:
        raise error from None
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
    """Change a user's name and settings; `mails` turns kinds of mail about API keys on or off.

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
    return text.checked(value, LONGEST_NAME, field="full_name", empty="Enter your full name")


def other_address(user: User, email: str | None) -> str | None:
    """Return the normalized new address, or None if it is unchanged.

    Raises ValidationFailed for an invalid address.
    """
    if email is None:
        return None
    address = checked_email(email)
    return None if user.email and is_same(address, user.email) else address


def ask(user: User, address: str, *, by: User, client: Client) -> None:
    """Queue mails: a link to `address` and a notice to the old address. Earlier links become invalid.

    The mail job checks whether the address is taken, so that the request's duration reveals nothing.
    """
    assert user.email
    lock_links_of(user)
    drop_links_of(user, LinkPurpose.CHANGE_EMAIL)
    post("change_email", address, user=user.public_id)
    post("email_change_asked", user.email, address=address, device=client.device)
    record(
        Action.EMAIL_CHANGE_ASKED, by=by, account=user, subject=mask_address(address), address=client.address
    )


@resolver("change_email")
def answer_change(to: str, data: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Mail the new address: a link, or, if it has an account, a notice that nothing changes."""
    user = db.session.scalar(select(User).where(User.public_id == data["user"], User.disabled_at.is_(None)))
    if user is None:
        return []
    if find_by_email(to):
        return [("email_taken", to, {})]
    link = add_link(LinkPurpose.CHANGE_EMAIL, to, user=user)
    return [("confirm_email", to, {"link": link.public_id})]


def confirm(link: MailLink, user: User, *, client: Client) -> None:
    """Change the address of the link's owner `user` to that of the link.

    Raises Gone if the link was used, or the address has an account in the meantime.
    """
    old, new = user.email, link.email
    assert old
    assert user.id == link.user_id
    lock_links_of(user)
    if not use(link):
        raise Gone("This link does not work any more.")
    try:
        with db.session.begin_nested():
            user.email = new
    except IntegrityError:
        raise Gone("This email address has an account already.") from None
    # Links in mails to the old address become invalid.
    drop_links_of(user)
    record(Action.EMAIL_CHANGED, by=user, account=user, subject=mask_address(new), address=client.address)
    post("email_changed", old, address=new, device=client.device)


def mask_address(address: str) -> str:
    """Return an address for the log without personal data: a…@example.com."""
    name, _, host = address.rpartition("@")
    return f"{name[:1]}…@{host}"
