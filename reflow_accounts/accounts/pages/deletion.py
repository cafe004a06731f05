"""Delete one's account: a page that says what will be gone, and the act."""

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.accounts import deleting
from reflow_accounts.accounts.forms import PasswordForm
from reflow_accounts.accounts.pages.blueprints import account
from reflow_accounts.errors import Conflict, ValidationFailed
from reflow_accounts.extensions import db
from reflow_accounts.identity import signed_in
from reflow_accounts.identity.caller import me
from reflow_accounts.identity.passwords import hasher
from reflow_accounts.limits import service as limits
from reflow_accounts.web.client import client

Answer = str | AnyResponse | tuple[str, int]


@account.get("")
def ask() -> Answer:
    """Say what will be gone, and ask for the password."""
    return _page(PasswordForm())


@account.post("")
def delete() -> Answer:
    """Delete the account and have the browser forget what it kept of it."""
    form = PasswordForm()
    account_id = me().public_id
    limits.hit("step-up", account=account_id)
    try:
        deleting.delete_account(me(), form.password.data or "", hasher(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _page(form), 422
    except Conflict:
        # Somebody else's leaving has made this person the only Admin.
        db.session.rollback()
        limits.give_back("step-up", account=account_id)
        return _page(form), 409
    db.session.commit()
    limits.give_back("step-up", account=account_id)
    signed_in.leave()
    flash("Your account was deleted.", "session")
    response = redirect(url_for("public.identity.login"), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _page(form: PasswordForm) -> str:
    return render_template("accounts/deletion.html", form=form, losses=deleting.losses_of(me()))
