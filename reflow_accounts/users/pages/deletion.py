"""Pages to delete one's account."""

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.auth import login_manager
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.auth.sessions import refuse_confirmation
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.users import deletion
from reflow_accounts.users.forms import PasswordForm
from reflow_accounts.web.request_info import client

blueprint = Blueprint("deletion", __name__, url_prefix="/profile/deletion")

Answer = str | AnyResponse | tuple[str, int]


@blueprint.get("")
def ask() -> Answer:
    """Show what a deletion removes, and ask for the password."""
    return _page(PasswordForm())


@blueprint.post("")
def delete() -> Answer:
    """Delete the account and clear the browser's data of this site."""
    form = PasswordForm()
    account_id = current_user().public_id
    session = login_manager.current_session()
    assert session, "this page needs a session"
    try:
        with rate_limits.attempt("step-up", account=account_id):
            deletion.delete_account(current_user(), form.password.data or "", hasher(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        refuse_confirmation(session, client=client())
        db.session.commit()
        form.show(failed)
        return _page(form), 422
    except Conflict:
        # The person became the only Admin in the meantime.
        db.session.rollback()
        rate_limits.give_back("step-up", account=account_id)
        return _page(form), 409
    db.session.commit()
    rate_limits.give_back("step-up", account=account_id)
    login_manager.leave()
    flash("Your account was deleted.", "session")
    response = redirect(url_for("public.auth.login"), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _page(form: PasswordForm) -> str:
    return render_template("users/deletion.html", form=form, losses=deletion.losses_of(current_user()))
