"""`/sessions`: signing the command in and out."""

from typing import Any

from werkzeug.exceptions import Forbidden

from reflow_accounts.auth import login, recovery_codes, second_factor
from reflow_accounts.auth.current_user import caller
from reflow_accounts.auth.models import Factor, SessionKind
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.auth.schemas import SessionOut, SignIn
from reflow_accounts.contract import Code
from reflow_accounts.database import db
from reflow_accounts.errors import InsufficientRights, Unauthenticated
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.users.models import User
from reflow_accounts.web.openapi import ApiBlueprint, open_to_all
from reflow_accounts.web.request_info import client

blueprint = ApiBlueprint("sessions", __name__, description="Sessions of the reflow command")


@blueprint.route("/sessions", methods=["POST"])
@open_to_all
@blueprint.arguments(SignIn)
@blueprint.response(201, SessionOut)
@blueprint.doc(security=[])
def create_session(payload: dict[str, Any]) -> Any:
    """Sign in with e-mail address and password.

    With two-factor authentication on, `otp` is the authenticator app's code, or a recovery code. The
    secret in the answer opens the API until it is deleted or expires.
    """
    tried = {"account": payload["email"], "address": client().address}
    with rate_limits.attempt("sign-in", **tried):
        user = login.find_by_password(payload["email"], payload["password"], hasher())
    if user is None:
        login.refuse_sign_in(payload["email"], client())
        # The after-request handler undoes what a refused request did; this is the record of the refusal.
        db.session.commit()
        raise Unauthenticated(Code.MISSING_CREDENTIALS, "Email or password is not correct.")
    rate_limits.give_back("sign-in", **tried)
    second = _ask_for_second_factor(user, payload.get("otp"))
    login.renew_password_hash(user, payload["password"], hasher())
    factors = [Factor.PASSWORD, second] if second else [Factor.PASSWORD]
    session, secret = login.start_session(user, SessionKind.COMMAND, factors, client=client())
    shown = ("public_id", "created_at", "expires_at", "user")
    answer = {name: getattr(session, name) for name in shown} | {"secret": secret}
    if second:
        # The code is used up with the session that it gives. Counters are written when nothing else is.
        db.session.commit()
        rate_limits.give_back("second-factor", **_code_tried(user))
    return answer


def _ask_for_second_factor(user: User, otp: str | None) -> Factor | None:
    """Raise Unauthenticated unless the second factor is off or `otp` proves it; return what proved it.

    Only after the password. Raises InsufficientRights for staff with passkeys alone, which only a browser can ask for.
    """
    if not second_factor.is_asked_for(user):
        return None
    if not second_factor.is_on(user):
        raise InsufficientRights(
            "Support staff log in here with an authenticator app: set one up in Account > Security."
        )
    if not otp:
        sentence = "Two-factor authentication is on. Send the code of your authenticator app as otp, too."
        raise Unauthenticated(Code.MISSING_CREDENTIALS, sentence, otp_required=True)
    rate_limits.hit("second-factor", **_code_tried(user))
    if second_factor.accept_code(user, otp):
        return Factor.CODE
    if recovery_codes.accept(user, otp, client=client()):
        return Factor.RECOVERY_CODE
    second_factor.refuse(user, client=client())
    # As above.
    db.session.commit()
    sentence = "The authentication code is not correct."
    raise Unauthenticated(Code.MISSING_CREDENTIALS, sentence, otp_required=True)


def _code_tried(user: User) -> dict[str, str]:
    return {"account": user.public_id, "address": client().address}


@blueprint.route("/sessions/current", methods=["DELETE"])
@blueprint.response(204)
def end_session() -> None:
    """End the session that this request was made with."""
    session = caller().session
    if session is None:
        raise Forbidden("An API key is not a session. Revoke it with DELETE /keys/<id>.")
    login.end_session(session, by=caller().user, client=client())
