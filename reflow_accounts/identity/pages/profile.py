"""The Profile tab."""

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.errors import ValidationFailed
from reflow_accounts.extensions import db
from reflow_accounts.identity import service
from reflow_accounts.identity.caller import me
from reflow_accounts.identity.forms import ProfileForm
from reflow_accounts.identity.pages.blueprints import account
from reflow_accounts.web.client import client

Answer = str | AnyResponse | tuple[str, int]


@account.get("")
def index() -> Answer:
    """Lead to the first tab."""
    return redirect(url_for("account.profile.show"), 303)


@account.get("/profile")
def show() -> Answer:
    """Show name, e-mail address and appearance."""
    return render_template("identity/profile.html", form=ProfileForm(obj=me()))


@account.post("/profile")
def save() -> Answer:
    """Change name and appearance."""
    form = ProfileForm()
    try:
        service.change_profile(
            me(), form.full_name.data or "", form.appearance.data or "", by=me(), client=client()
        )
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return render_template("identity/profile.html", form=form), 422
    db.session.commit()
    flash("", "profile-saved")
    return redirect(url_for("account.profile.show"), 303)
