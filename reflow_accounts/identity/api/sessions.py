"""`/sessions`: signing the command in and out."""

from typing import Any

from werkzeug.exceptions import Forbidden

from reflow_accounts.contract import Code
from reflow_accounts.errors import InsufficientRights, Unauthenticated
from reflow_accounts.extensions import db
from reflow_accounts.identity import recovery_codes, second_factor, service
from reflow_accounts.identity.caller import caller
from reflow_accounts.identity.models import Factor, SessionKind, User
from reflow_accounts.identity.passwords import hasher
from reflow_accounts.identity.schemas import SessionOut, SignIn
from reflow_accounts.limits import service as limits
from reflow_accounts.web.client import client
from reflow_accounts.web.documents import ApiBlueprint, open_to_all

blueprint = ApiBlueprint("sessions", __name__, description="Sessions of the reflow command")


@blueprint.route("/sessions", methods=["POST"])
@open_to_all
@blueprint.arguments(SignIn)
@blueprint.response(201, SessionOut)
@blueprint.doc(security=[])
def sign_in(words: dict[str, Any]) -> Any:
    """Sign in with e-mail address and password.

    With two-factor authentication on, `otp` is the authenticator app's code, or a recovery code. The
    secret in the answer opens the API until it is deleted or expires.
    """
    tried = {"account": words["email"], "address": client().address}
    limits.hit("sign-in", **tried)
    user = service.find_by_password(words["email"], words["password"], hasher())
    if user is None:
        service.refuse_sign_in(words["email"], client())
        # The door undoes what a refused request did; this is the record of the refusal.
        db.session.commit()
        raise Unauthenticated(Code.MISSING_CREDENTIALS, "Email or password is not correct.")
    limits.give_back("sign-in", **tried)
    second = _ask_for_second_factor(user, words.get("otp"))
    service.renew_password_hash(user, words["password"], hasher())
    factors = [Factor.PASSWORD, second] if second else [Factor.PASSWORD]
    session, secret = service.start_session(user, SessionKind.COMMAND, factors, client=client())
    shown = ("public_id", "created_at", "expires_at", "user")
    answer = {name: getattr(session, name) for name in shown} | {"secret": secret}
    if second:
        # The code is used up with the session that it gives. Counters are written when nothing else is.
        db.session.commit()
        limits.give_back("second-factor", **_code_tried(user))
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
    limits.hit("second-factor", **_code_tried(user))
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
def sign_out() -> None:
    """End the session that this request was made with."""
    session = caller().session
    if session is None:
        raise Forbidden("An API key is not a session. Revoke it with DELETE /keys/<id>.")
    service.end_session(session, by=caller().user, client=client())
