"""The step-up form, which repeats the interrupted request with a proof."""

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from reflow_accounts.auth import passkeys, second_factor
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.forms import ProofForm
from reflow_accounts.auth.step_up import PROOF, ProofNeeded, ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import RateLimited, ValidationFailed
from reflow_accounts.web import htmx
from reflow_accounts.web.csrf import SAFE_METHODS
from reflow_accounts.web.redirects import local_path, previous_page, requested_page

blueprint = Blueprint("confirmation", __name__)


@blueprint.route("/confirmation", methods=["GET", "POST"])
def confirm() -> Response:
    """Redirect to the page that required the step-up, after the proof."""
    ensure_recent_proof()
    return redirect(local_path(request.args.get("next")) or url_for("account.profile.show"), 303)


@blueprint.app_errorhandler(ProofNeeded)
def ask(error: ProofNeeded) -> Response:
    """Show a form that repeats the interrupted request with its fields and a proof."""
    db.session.rollback()
    form = ProofForm(formdata=None)
    if error.faults:
        form.show(ValidationFailed(**error.faults))
    # The form goes to the interrupted action itself, or to `confirm` for a GET.
    action = request.full_path.rstrip("?")
    if request.method in SAFE_METHODS:
        action = url_for("account.confirmation.confirm", next=requested_page())
    before = previous_page()  # after a wrong proof, this page itself
    # During a partial update, ask in a dialog; the action then returns a whole page.
    frame = {"sheet": "layouts/dialog.html", "is_dialog": True} if htmx.opens_dialog() else {}
    page = render_template(
        "auth/confirmation.html",
        form=form,
        action=action,
        carried=_fields_to_repeat(),
        back=before if before and before != request.path else url_for("public.auth.home"),
        goes_on_in_dialog=htmx.is_dialog(),
        has_app=second_factor.is_on(current_user()),
        has_passkeys=bool(passkeys.passkeys_of(current_user())),
        **frame,
    )
    response = make_response(page, ValidationFailed.status if error.faults else error.status)
    if error.retry_after:
        response.status_code = RateLimited.status
        response.headers["Retry-After"] = str(error.retry_after)
    return htmx.in_new_dialog(response) if htmx.opens_dialog() else response


def _fields_to_repeat() -> list[tuple[str, str]]:
    """Return the submitted fields for hidden inputs, without passwords, the old CSRF token and proofs."""
    return [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name not in ("csrf_token", "username") and not name.startswith(PROOF) and "password" not in name
    ]
