"""`/sessions` and `/device`: log-in and log-out of the command, with a password or through a browser (RFC 8628)."""

from typing import Any

from werkzeug.exceptions import Forbidden

from reflow_accounts.auth import device_flow, login, recovery_codes, second_factor
from reflow_accounts.auth.current_user import caller
from reflow_accounts.auth.models import Factor, SessionKind
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.auth.schemas import DeviceAsk, DeviceCodes, DevicePoll, DeviceToken, SessionOut, SignIn
from reflow_accounts.contract import DEVICE_GRANT, Code
from reflow_accounts.database import db, now
from reflow_accounts.errors import BadRequest, InsufficientRights, Unauthenticated
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.users.models import User
from reflow_accounts.web import redirects
from reflow_accounts.web.error_handlers import OAUTH
from reflow_accounts.web.openapi import ApiBlueprint, open_to_all
from reflow_accounts.web.request_info import client

sessions_blueprint = ApiBlueprint("sessions", __name__, description="Sessions of the reflow command")

device_blueprint = ApiBlueprint(
    "device authorization", __name__, description="Login of the reflow command through a browser"
)


@sessions_blueprint.route("/sessions", methods=["POST"])
@open_to_all
@sessions_blueprint.arguments(SignIn)
@sessions_blueprint.response(201, SessionOut)
@sessions_blueprint.doc(security=[])
def create_session(payload: dict[str, Any]) -> Any:
    """Sign in with e-mail address and password.

    With two-factor authentication, `otp` is the authenticator app's code, or a recovery code. The secret in the
    response authenticates API requests until the session is deleted or expires.
    """
    attempt = {"account": payload["email"], "address": client().address}
    with rate_limits.attempt("sign-in", **attempt):
        user = login.find_by_password(payload["email"], payload["password"], hasher())
    if user is None:
        login.refuse_sign_in(payload["email"], client())
        # Keep the record of the refusal: the after-request handler rolls back refused requests.
        db.session.commit()
        raise Unauthenticated(Code.MISSING_CREDENTIALS, "Email or password is not correct.")
    rate_limits.give_back("sign-in", **attempt)
    otp = _counted_code(user, payload.get("otp"))
    login.renew_password_hash(user, payload["password"], hasher())
    second = _check_second_factor(user, otp) if otp else None
    factors = [Factor.PASSWORD, second] if second else [Factor.PASSWORD]
    session, secret = login.start_session(user, SessionKind.COMMAND, factors, client=client())
    fields = ("public_id", "created_at", "expires_at", "user")
    data = {name: getattr(session, name) for name in fields} | {"secret": secret}
    if second:
        # Commits the used code and its session together, before the counter, which uses another transaction.
        db.session.commit()
        rate_limits.give_back("second-factor", **_code_attempt(user))
    return data


def _counted_code(user: User, otp: str | None) -> str | None:
    """Count an attempt with a code and return the code; None if the user needs none. Call it before any write.

    Raises Unauthenticated for a missing code, and InsufficientRights for staff with only passkeys, which need a
    browser.
    """
    if not second_factor.is_required_for(user):
        return None
    if not second_factor.is_on(user):
        raise InsufficientRights(
            "Support staff log in here with an authenticator app: set one up in Account > Security."
        )
    if not otp:
        sentence = "Two-factor authentication is on. Send the code of your authenticator app as otp, too."
        raise Unauthenticated(Code.MISSING_CREDENTIALS, sentence, otp_required=True)
    rate_limits.hit("second-factor", **_code_attempt(user))
    return otp


def _check_second_factor(user: User, otp: str) -> Factor:
    """Return the second factor that `otp` proves. Raises Unauthenticated for a wrong code."""
    if second_factor.accept_code(user, otp):
        return Factor.CODE
    if recovery_codes.accept(user, otp, client=client()):
        return Factor.RECOVERY_CODE
    second_factor.refuse(user, client=client())
    # Keep the record, as above.
    db.session.commit()
    sentence = "The authentication code is not correct."
    raise Unauthenticated(Code.MISSING_CREDENTIALS, sentence, otp_required=True)


def _code_attempt(user: User) -> dict[str, str]:
    return {"account": user.public_id, "address": client().address}


@sessions_blueprint.route("/sessions/current", methods=["DELETE"])
@sessions_blueprint.response(204)
def end_session() -> None:
    """End the session that this request was made with."""
    session = caller().session
    if session is None:
        raise Forbidden("An API key is not a session. Revoke it with DELETE /keys/<id>.")
    login.end_session(session, by=caller().user, client=client())


@device_blueprint.route("/device/code", methods=["POST"])
@open_to_all
@device_blueprint.arguments(DeviceAsk, location=OAUTH, required=False)
@device_blueprint.response(200, DeviceCodes)
@device_blueprint.doc(security=[])
def request_device_code(payload: dict[str, Any]) -> dict[str, Any]:
    """Start a login: returns a code to type in a browser and a code to poll with. Also accepts JSON."""
    rate_limits.hit("device-login", address=client().address)
    device_login, device_code, user_code = device_flow.ask(payload["host"], client=client())
    return {
        "device_code": device_code,
        "user_code": user_code,
        # No URL with the code in it: typing the code shows that terminal and browser belong together.
        "verification_uri": redirects.absolute("device.device_login.show"),
        "expires_in": int(device_flow.LIFETIME.total_seconds()),
        "interval": device_login.interval,
    }


@device_blueprint.route("/device/token", methods=["POST"])
@open_to_all
@device_blueprint.arguments(DevicePoll, location=OAUTH)
@device_blueprint.response(200, DeviceToken)
@device_blueprint.doc(security=[])
def request_device_token(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the session when the login is approved; until then 400 with an `error`. Also accepts JSON.

    `authorization_pending`: poll again. `slow_down`: poll again, with an interval five seconds longer.
    `access_denied`, `expired_token`, `invalid_grant`: the login has ended.
    """
    if not payload.get("grant_type") or not payload.get("device_code"):
        raise BadRequest("Send grant_type and device_code.", error="invalid_request")
    if payload["grant_type"] != DEVICE_GRANT:
        raise BadRequest(f"The grant_type must be {DEVICE_GRANT}.", error="unsupported_grant_type")
    try:
        session, secret = device_flow.exchange(payload["device_code"], client=client())
    except BadRequest:
        # Keep the time and interval of the poll: the after-request handler rolls back refused requests.
        db.session.commit()
        raise
    expires_in = int((session.expires_at - now()).total_seconds())
    return {"access_token": secret, "token_type": "Bearer", "expires_in": expires_in, "session": session}
