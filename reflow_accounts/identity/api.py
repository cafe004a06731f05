"""`/sessions`: signing the command in and out."""

from typing import Any

from werkzeug.exceptions import Forbidden

from reflow_accounts.contract import Code
from reflow_accounts.errors import Unauthenticated
from reflow_accounts.extensions import db
from reflow_accounts.identity import service
from reflow_accounts.identity.caller import caller
from reflow_accounts.identity.models import SessionKind
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

    The secret in the answer opens the API until it is deleted or expires.
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
    service.renew_password_hash(user, words["password"], hasher())
    session, secret = service.start_session(user, SessionKind.COMMAND, client())
    shown = ("public_id", "created_at", "expires_at", "user")
    return {name: getattr(session, name) for name in shown} | {"secret": secret}


@blueprint.route("/sessions/current", methods=["DELETE"])
@blueprint.response(204)
def sign_out() -> None:
    """End the session that this request was made with."""
    session = caller().session
    if session is None:
        raise Forbidden("An API key is not a session. Revoke it with DELETE /keys/<id>.")
    service.end_session(session, by=caller().user, client=client())
