"""Change one's password on the Security tab."""

from flask import flash, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.errors import ValidationFailed
from reflow_accounts.extensions import db
from reflow_accounts.identity import password_change, sessions, signed_in
from reflow_accounts.identity.caller import caller, me
from reflow_accounts.identity.forms import ChangePasswordForm
from reflow_accounts.identity.models import Factor
from reflow_accounts.identity.pages.blueprints import security
from reflow_accounts.identity.pages.security_tab import shown
from reflow_accounts.identity.passwords import hasher
from reflow_accounts.limits import service as limits
from reflow_accounts.web.client import client

Answer = str | AnyResponse | tuple[str, int]


@security.post("/password")
def change_password() -> Answer:
    """Change the password, end every other session and give this one a new value."""
    form = ChangePasswordForm()
    session = caller().session
    assert session, "a page is asked for in a session"
    account = me().public_id
    limits.hit("step-up", account=account)
    try:
        password_change.change(
            me(),
            form.current_password.data or "",
            form.new_password.data or "",
            hasher(),
            session=session,
            by=me(),
            client=client(),
        )
    except ValidationFailed as failed:
        db.session.rollback()
        if "current_password" not in failed.fields:
            limits.give_back("step-up", account=account)
        form.show(failed)
        return shown(form=form, password_form=form), 422
    value = sessions.confirm(session, Factor.PASSWORD, client=client())
    db.session.commit()
    limits.give_back("step-up", account=account)
    if value:
        signed_in.renew(value)
    flash("Password changed. Other devices were signed out.", "password-changed")
    return redirect(url_for("account.security.show"), 303)
