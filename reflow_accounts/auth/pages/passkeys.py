"""Passkeys on the Security tab: add, rename, remove."""

from typing import Any

from flask import Blueprint, flash, jsonify, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.auth import passkeys
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.forms import PasskeyForm, PasskeyNameForm
from reflow_accounts.auth.models import Passkey
from reflow_accounts.auth.passkeys import Site
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.web import redirects
from reflow_accounts.web.request_info import client

blueprint = Blueprint("passkeys", __name__, url_prefix="/security")


@blueprint.get("/passkeys/new")
def new_passkey() -> ResponseReturnValue:
    """Ask for the name of a new passkey."""
    ensure_recent_proof()
    return render_template("auth/passkey_new.html", form=PasskeyForm(formdata=None))


@blueprint.post("/passkeys/options")
def new_passkey_options() -> Any:
    """Return the browser's options to create a passkey, if the name is valid."""
    ensure_recent_proof()
    try:
        passkeys.checked_name(PasskeyForm().name.data or "")
    except ValidationFailed as failed:
        return jsonify(failed.fields), failed.status
    options = passkeys.options_to_add(current_user(), Site.at(redirects.origin()))
    db.session.commit()
    return options


@blueprint.post("/passkeys/proof-options")
def passkey_proof_options() -> Any:
    """Return a challenge for a passkey of this person, for a step-up."""
    options = passkeys.options_to_verify(Site.at(redirects.origin()), current_user())
    db.session.commit()
    return options


@blueprint.post("/passkeys")
def add_passkey() -> ResponseReturnValue:
    """Store the passkey that the browser created."""
    ensure_recent_proof()
    form, site = PasskeyForm(), Site.at(redirects.origin())
    try:
        passkey = passkeys.add(
            current_user(),
            form.name.data or "",
            form.credential.data or "",
            site,
            by=current_user(),
            client=client(),
        )
    except ValidationFailed as failed:
        # A wrong answer also uses the challenge.
        db.session.commit()
        form.show(failed)
        return render_template("auth/passkey_new.html", form=form), 422
    return _done(f"{passkey.name} was added.")


@blueprint.get("/passkeys/<passkey_id>")
def show_passkey(passkey_id: str) -> ResponseReturnValue:
    """Show the form to rename a passkey."""
    passkey = passkeys.passkey_of(current_user(), passkey_id)
    return _ask_name(passkey, PasskeyNameForm(formdata=None, obj=passkey))


@blueprint.post("/passkeys/<passkey_id>")
def rename_passkey(passkey_id: str) -> ResponseReturnValue:
    """Rename a passkey."""
    ensure_recent_proof()
    passkey, form = passkeys.passkey_of(current_user(), passkey_id), PasskeyNameForm()
    try:
        passkeys.rename(passkey, form.name.data or "", by=current_user(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _ask_name(passkey, form), 422
    return _done(f"The passkey is called {passkey.name} now.")


@blueprint.get("/passkeys/<passkey_id>/removal")
def passkey_removal(passkey_id: str) -> ResponseReturnValue:
    """Ask before a passkey is removed."""
    return render_template(
        "auth/passkey_removal.html", passkey=passkeys.passkey_of(current_user(), passkey_id)
    )


@blueprint.post("/passkeys/<passkey_id>/removal")
def remove_passkey(passkey_id: str) -> ResponseReturnValue:
    """Remove a passkey."""
    ensure_recent_proof()
    passkey = passkeys.passkey_of(current_user(), passkey_id)
    name = passkey.name
    passkeys.remove(passkey, by=current_user(), client=client())
    return _done(f"{name} no longer signs you in.")


def _ask_name(passkey: Passkey, form: PasskeyNameForm) -> str:
    return render_template("auth/passkey.html", passkey=passkey, form=form)


def _done(message: str) -> AnyResponse:
    db.session.commit()
    flash(message, "passkeys")
    return redirect(url_for("account.security.show"), 303)
