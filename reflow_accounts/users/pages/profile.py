"""The Profile tab, the page that confirms a new address, the download of personal data, and account deletion."""

from flask import Blueprint, Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from reflow_accounts.activity.personal_data import data_of
from reflow_accounts.auth import login_manager
from reflow_accounts.auth.current_user import current_user, page_session
from reflow_accounts.auth.mail_links import find_link
from reflow_accounts.auth.models import LinkPurpose, MailLink
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.auth.sessions import refuse_confirmation
from reflow_accounts.auth.step_up import MISSING_PASSWORD, ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, Gone, ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.subscriptions.models import LicenceState
from reflow_accounts.subscriptions.service import status_of
from reflow_accounts.users import deletion, profile
from reflow_accounts.users.forms import PasswordForm, ProfileForm
from reflow_accounts.users.models import MailSwitch, User
from reflow_accounts.web.request_info import client

blueprint = Blueprint("profile", __name__)
email_links = Blueprint("email_change", __name__)

FILE_NAME = "reflow-data.json"
_SETTINGS = ("full_name", "appearance", "time_zone")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Redirect to the first tab."""
    return redirect(url_for("account.profile.show"), 303)


@blueprint.get("/profile")
def show() -> ResponseReturnValue:
    """Show name, e-mail address, appearance and time zone."""
    return render_template("users/profile.html", form=ProfileForm(obj=current_user()))


# service.py answers paths with this ending in separate threads.
@blueprint.get("/profile/export")
def export() -> Response:
    """Download the user's data as JSON."""
    user = current_user()
    rate_limits.hit("download-data", account=user.public_id)
    response = Response(data_of(user), mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    return response


@blueprint.post("/profile")
def save() -> ResponseReturnValue:
    """Save what was changed of the name and settings; mail a confirmation link to a new e-mail address."""
    user = current_user()
    form = ProfileForm(obj=user)
    try:
        changes = form.changes()
        address = profile.other_address(user, changes.get("email"))
        if address:
            ensure_recent_proof()
            profile.ask(user, address, by=user, client=client())
        profile.change_profile(
            user,
            *(changes.get(name, getattr(user, name)) for name in _SETTINGS),
            mails={switch: changes[switch.column] for switch in MailSwitch if switch.column in changes},
            by=user,
            client=client(),
        )
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return render_template("users/profile.html", form=form), 422
    db.session.commit()
    flash("", "profile-saved")
    if address:
        flash(address, "email-asked")
    return redirect(url_for("account.profile.show"), 303)


@blueprint.get("/profile/deletion")
def ask_to_delete() -> ResponseReturnValue:
    """Show what a deletion removes, and ask for the password."""
    return _deletion_page(PasswordForm())


@blueprint.post("/profile/deletion")
def delete() -> ResponseReturnValue:
    """Delete the account and clear the browser's data of this site."""
    form = PasswordForm()
    if not form.password.data:
        form.password.errors = [MISSING_PASSWORD]
        return _deletion_page(form), 422
    account_id, session = current_user().public_id, page_session()
    try:
        with rate_limits.attempt("step-up", account=account_id):
            deletion.delete_account(current_user(), form.password.data, hasher(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        refuse_confirmation(session, client=client())
        db.session.commit()
        form.show(failed)
        return _deletion_page(form), 422
    except Conflict:
        # The person became the only Admin in the meantime.
        db.session.rollback()
        rate_limits.give_back("step-up", account=account_id)
        return _deletion_page(form), 409
    db.session.commit()
    rate_limits.give_back("step-up", account=account_id)
    login_manager.leave()
    flash("Your account was deleted.", "session")
    response = redirect(url_for("public.auth.login"), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _deletion_page(form: PasswordForm) -> str:
    losses = deletion.losses_of(current_user())
    paid_teams = [
        team
        for team in losses.emptied
        if status_of(team).licence_state in (LicenceState.PENDING, LicenceState.ACTIVE)
    ]
    return render_template("users/deletion.html", form=form, losses=losses, paid=paid_teams)


@email_links.get("/confirm-email/<token>")
def show_email_link(token: str) -> ResponseReturnValue:
    """Ask to confirm the new address; only the account's owner can."""
    link = find_link(token, LinkPurpose.CHANGE_EMAIL)
    return _page(link, token) if link else _dead_link()


@email_links.post("/confirm-email/<token>")
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
