"""The page of a mailed link that confirms a new e-mail address."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from reflow_accounts.auth import login_manager
from reflow_accounts.auth.mail_links import find_link
from reflow_accounts.auth.models import LinkPurpose, MailLink
from reflow_accounts.database import db
from reflow_accounts.errors import Gone
from reflow_accounts.users import profile
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import client

blueprint = Blueprint("email_change", __name__)


@blueprint.get("/confirm-email/<token>")
def show_email_link(token: str) -> ResponseReturnValue:
    """Ask to confirm the new address; only the account's owner can."""
    link = find_link(token, LinkPurpose.CHANGE_EMAIL)
    return _page(link, token) if link else _dead_link()


@blueprint.post("/confirm-email/<token>")
def confirm_email(token: str) -> ResponseReturnValue:
    """Change the account's address."""
    link = find_link(token, LinkPurpose.CHANGE_EMAIL)
    if link is None:
        return _dead_link()
    user = _owner(link)
    if user is None:
        return _page(link, token), 403
    try:
        profile.confirm(link, user, client=client())
    except Gone:
        db.session.rollback()
        return _dead_link()
    db.session.commit()
    flash("Email changed", "email-changed")
    return redirect(url_for("account.profile.show"), 303)


def _owner(link: MailLink) -> User | None:
    """Return the signed-in person if the link is theirs.

    Otherwise a stranger could trick the owner of an address into confirming it for the stranger's account.
    """
    session = login_manager.current_session()
    return session.user if session and session.user_id == link.user_id else None


def _page(link: MailLink, token: str) -> str:
    context = {"email": link.email, "is_owner": _owner(link) is not None, "link_token": token}
    return render_template("users/confirm_email.html", **context)


def _dead_link() -> ResponseReturnValue:
    return render_template("auth/dead_link.html", purpose=LinkPurpose.CHANGE_EMAIL), 410
