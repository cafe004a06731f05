"""Letting a terminal in: type the code that it shows, see what is asking, approve or deny (RFC 8628, 3.3)."""

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from reflow_accounts.errors import Conflict, RateLimited, ValidationFailed
from reflow_accounts.extensions import db
from reflow_accounts.identity.caller import me
from reflow_accounts.identity.device import claim, decide, login_of
from reflow_accounts.identity.forms import DeviceCodeForm
from reflow_accounts.identity.models import DeviceLogin
from reflow_accounts.identity.pages.blueprints import device
from reflow_accounts.identity.step_up import ensure_recent_proof
from reflow_accounts.limits import service as limits
from reflow_accounts.web.client import client

Answer = str | Response | tuple[str, int] | tuple[str, int, dict[str, str]]


@device.get("")
def show() -> Answer:
    """Ask for the code."""
    return _form(DeviceCodeForm(formdata=None))


@device.post("")
def enter_code() -> Answer:
    """Lead to the login whose code was typed, which is this person's from now on."""
    form = DeviceCodeForm()
    tried = {"account": me().public_id, "address": client().address}
    try:
        limits.hit("device-code", **tried)
        login = claim(me(), form.code.data or "")
    except RateLimited as error:
        form.code.errors = [str(error)]
        return _form(form), error.status, {"Retry-After": str(error.retry_after)}
    except ValidationFailed as failed:
        form.show(failed)
        return _form(form), failed.status
    db.session.commit()
    limits.give_back("device-code", **tried)
    return _back(login)


@device.get("/<login_id>")
def show_login(login_id: str) -> Answer:
    """Show what is asking, or what became of it."""
    return _page(login_of(me(), login_id))


@device.post("/<login_id>/approval")
def approve(login_id: str) -> Answer:
    """Let the terminal in: it may do all that this person may."""
    ensure_recent_proof()
    return _decide(login_of(me(), login_id), True)


@device.post("/<login_id>/denial")
def deny(login_id: str) -> Answer:
    """Send the terminal away."""
    return _decide(login_of(me(), login_id), False)


def _decide(login: DeviceLogin, is_approved: bool) -> Answer:
    try:
        decide(login, is_approved, by=me(), client=client())
    except Conflict as conflict:
        # The page says what became of it instead.
        return _page(login), conflict.status
    db.session.commit()
    return _back(login)


def _back(login: DeviceLogin) -> Response:
    return redirect(url_for("device.device_login.show_login", login_id=login.public_id), 303)


def _page(login: DeviceLogin) -> str:
    is_elsewhere = login.address != client().address
    return render_template("identity/device_decision.html", login=login, is_elsewhere=is_elsewhere)


def _form(form: DeviceCodeForm) -> str:
    return render_template("identity/device.html", form=form)
