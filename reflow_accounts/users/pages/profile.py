"""The Profile tab."""

from flask import Blueprint, Response, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.activity.personal_data import data_of
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.users import email_change, profile
from reflow_accounts.users.forms import ProfileForm
from reflow_accounts.users.models import MailSwitch
from reflow_accounts.web.request_info import client

blueprint = Blueprint("profile", __name__)

FILE_NAME = "reflow-data.json"
_SETTINGS = ("full_name", "appearance", "time_zone")

Answer = str | AnyResponse | tuple[str, int]


@blueprint.get("")
def index() -> Answer:
    """Redirect to the first tab."""
    return redirect(url_for("account.profile.show"), 303)


@blueprint.get("/profile")
def show() -> Answer:
    """Show name, e-mail address, appearance and time zone."""
    return render_template("users/profile.html", form=ProfileForm(obj=current_user()))


# The service reads paths with this ending in threads of their own (service.py).
@blueprint.get("/profile/export")
def export() -> Response:
    """Download all data about oneself as JSON."""
    user = current_user()
    rate_limits.hit("download-data", account=user.public_id)
    response = Response(data_of(user), mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    return response


@blueprint.post("/profile")
def save() -> Answer:
    """Change name and settings; mail a confirmation link to a new e-mail address."""
    user = current_user()
    form = ProfileForm(obj=user)
    try:
        address = email_change.other_address(user, form.email.data)
        if address:
            ensure_recent_proof()
            email_change.ask(user, address, by=user, client=client())
        profile.change_profile(
            user,
            *(form[name].data or "" for name in _SETTINGS),
            mails={switch: bool(form[switch.column].data) for switch in MailSwitch},
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
