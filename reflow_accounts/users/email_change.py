"""Change the e-mail address of an account: mail a link to the new address and a notice to the old one."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import checked_email, find_by_email
from reflow_accounts.auth.mail_links import add_link, drop_links_of, lock_links_of, use
from reflow_accounts.auth.models import LinkPurpose, MailLink
from reflow_accounts.database import db
from reflow_accounts.email_addresses import is_same
from reflow_accounts.errors import Gone
from reflow_accounts.mail.service import post, resolver
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client


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
    record(Action.EMAIL_CHANGE_ASKED, by=by, account=user, subject=masked(address), address=client.address)
    db.session.flush()


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
    record(Action.EMAIL_CHANGED, by=user, account=user, subject=masked(new), address=client.address)
    post("email_changed", old, address=new, device=client.device)
    db.session.flush()


def masked(address: str) -> str:
    """Return an address for the log without personal data: a…@example.com."""
    name, _, host = address.rpartition("@")
    return f"{name[:1]}…@{host}"
