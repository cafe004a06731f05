"""Move an account to another address: a link to the new one, notices to the old one."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import checked_email, find_by_email
from reflow_accounts.auth.mail_links import add_link, drop_links_of, hold, use
from reflow_accounts.auth.models import LinkPurpose, MailLink
from reflow_accounts.database import db
from reflow_accounts.errors import Gone
from reflow_accounts.mail.service import post, resolver
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client


def other_address(user: User, email: str | None) -> str | None:
    """Return the address that `email` would move the account to, or None when it is left or is the same.

    Raises ValidationFailed for what is no address.
    """
    if email is None:
        return None
    address = checked_email(email)
    return address if address != user.email else None


def ask(user: User, address: str, *, by: User, client: Client) -> None:
    """Have a link mailed to `address` and a notice to the old one; the last link asked for counts.

    Whether the address is somebody's already is found out off the request's path.
    """
    assert user.email
    hold(user)
    drop_links_of(user, LinkPurpose.CHANGE_EMAIL)
    post("change_email", address, user=user.public_id)
    post("email_change_asked", user.email, address=address, device=client.device)
    record(Action.EMAIL_CHANGE_ASKED, by=by, account=user, subject=masked(address), address=client.address)
    db.session.flush()


@resolver("change_email")
def answer_change(to: str, data: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Write to the new address: with a link, or, when it has an account, that nothing will change."""
    user = db.session.scalar(select(User).where(User.public_id == data["user"], User.disabled_at.is_(None)))
    if user is None:
        return []
    if find_by_email(to):
        return [("email_taken", to, {})]
    link = add_link(LinkPurpose.CHANGE_EMAIL, to, user=user)
    return [("confirm_email", to, {"link": link.public_id})]


def confirm(link: MailLink, user: User, *, client: Client) -> None:
    """Move the account of `user`, whose link it is, to the link's address.

    Raises Gone when the link was used, or the address has an account by now.
    """
    old, new = user.email, link.email
    assert old
    assert user.id == link.user_id
    hold(user)
    if not use(link):
        raise Gone("This link does not work any more.")
    try:
        with db.session.begin_nested():
            user.email = new
    except IntegrityError:
        raise Gone("This email address has an account already.") from None
    # Links that went to the old address must not open the account any more.
    drop_links_of(user)
    record(Action.EMAIL_CHANGED, by=user, account=user, subject=masked(new), address=client.address)
    post("email_changed", old, address=new, device=client.device)
    db.session.flush()


def masked(address: str) -> str:
    """Return what the log keeps of an address, so that it need not be forgotten there: a…@example.com."""
    name, _, host = address.rpartition("@")
    return f"{name[:1]}…@{host}"
