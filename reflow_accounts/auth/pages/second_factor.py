"""The second factor on the Security tab: set up, recovery codes, turn off."""

from dataclasses import dataclass, field

import segno
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from reflow_accounts.auth import second_factor, sessions
from reflow_accounts.auth.current_user import current_user, page_session
from reflow_accounts.auth.forms import ProofForm, SetupForm
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.auth.second_factor import Setup
from reflow_accounts.auth.step_up import MISSING_PASSWORD, WRONG_PASSWORD, ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, Gone, ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.web.compression import keep_uncompressed
from reflow_accounts.web.request_info import client

# Required margin (ISO/IEC 18004), in modules.
_QUIET_ZONE = 4

blueprint = Blueprint("second_factor", __name__, url_prefix="/security")


@dataclass(frozen=True)
class QrCode:
    """A square of `size` modules, and the path (SVG) that draws the dark ones."""

    size: int
    path: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> "QrCode":
        """Return the QR code of `text`."""
        rows = segno.make(text, error="m", micro=False).matrix
        squares = [
            f"M{x + _QUIET_ZONE} {y + _QUIET_ZONE}h1v1h-1z"
            for y, row in enumerate(rows)
            for x, is_dark in enumerate(row)
            if is_dark
        ]
        return cls(len(rows) + 2 * _QUIET_ZONE, "".join(squares))


@blueprint.get("/second-factor/new")
def new_second_factor() -> ResponseReturnValue:
    """Show a new secret as QR code and as text, and ask for its first code."""
    ensure_recent_proof()
    if second_factor.is_on(current_user()):
        return redirect(url_for("account.security.show"), 303)
    return _ask_code(SetupForm(formdata=None), second_factor.new_setup(current_user()))


@blueprint.post("/second-factor")
def turn_on() -> ResponseReturnValue:
    """Turn the second factor on and show the recovery codes once."""
    ensure_recent_proof()
    form, account = SetupForm(), current_user().public_id
    rate_limits.hit("step-up-code", account=account)
    try:
        setup = second_factor.setup_of(current_user(), form.setup.data or "")
        codes = second_factor.turn_on(
            current_user(), setup, form.code.data or "", by=current_user(), client=client()
        )
    except ValidationFailed as failed:
        db.session.rollback()
        _record_refusal()
        form.show(failed)
        return _ask_code(form, setup), 422
    except (Conflict, Gone) as refusal:
        return _refuse(refusal)
    db.session.commit()
    rate_limits.give_back("step-up-code", account=account)
    return _reveal(codes)


@blueprint.post("/recovery-codes")
def new_recovery_codes() -> ResponseReturnValue:
    """Replace the recovery codes and show the new ones once."""
    ensure_recent_proof()
    try:
        codes = second_factor.new_recovery_codes(
            current_user(), request.form.get("seen", ""), by=current_user(), client=client()
        )
    except Conflict as conflict:
        return _refuse(conflict)
    db.session.commit()
    return _reveal(codes)


@blueprint.get("/second-factor/removal")
def second_factor_removal() -> ResponseReturnValue:
    """Ask for the password before the second factor is turned off."""
    if not second_factor.is_on(current_user()):
        return redirect(url_for("account.security.show"), 303)
    return render_template("auth/second_factor_removal.html", form=ProofForm(formdata=None))


@blueprint.post("/second-factor/removal")
def turn_off() -> ResponseReturnValue:
    """Turn the second factor off."""
    ensure_recent_proof()
    form, account = ProofForm(), current_user().public_id
    if not form.proof_password.data:
        return _ask_password(form, MISSING_PASSWORD)
    with rate_limits.attempt("step-up", account=account):
        is_right = hasher().matches(form.proof_password.data, current_user().password_hash)
    if not is_right:
        _record_refusal()
        return _ask_password(form, WRONG_PASSWORD)
    second_factor.turn_off(current_user(), by=current_user(), client=client())
    db.session.commit()
    rate_limits.give_back("step-up", account=account)
    flash("Two-factor authentication is off", "second-factor")
    return redirect(url_for("account.security.show"), 303)


def _ask_password(form: ProofForm, fault: str) -> tuple[str, int]:
    form.proof_password.errors = [fault]
    return render_template("auth/second_factor_removal.html", form=form), 422


def _record_refusal() -> None:
    sessions.refuse_confirmation(page_session(), client=client())
    db.session.commit()


def _ask_code(form: SetupForm, setup: Setup) -> str:
    keep_uncompressed()
    qr = QrCode.of(setup.address)
    return render_template("auth/second_factor_new.html", form=form, setup=setup, qr=qr)


def _reveal(codes: list[str]) -> str:
    return render_template("auth/recovery_codes.html", codes="\n".join(codes))


def _refuse(refusal: Conflict | Gone) -> tuple[str, int]:
    db.session.rollback()
    return render_template("auth/second_factor_refused.html", sentence=str(refusal)), refusal.status
