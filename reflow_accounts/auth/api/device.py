"""`/device`: the command's login by way of a browser, as a terminal asks for it (RFC 8628)."""

from typing import Any

from reflow_accounts.auth import device_flow
from reflow_accounts.auth.schemas import DeviceAsk, DeviceCodes, DevicePoll, DeviceToken
from reflow_accounts.contract import DEVICE_GRANT
from reflow_accounts.database import db, now
from reflow_accounts.errors import BadRequest
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.web import redirects
from reflow_accounts.web.error_handlers import OAUTH
from reflow_accounts.web.openapi import ApiBlueprint, open_to_all
from reflow_accounts.web.request_info import client

blueprint = ApiBlueprint(
    "device authorization", __name__, description="Login of the reflow command through a browser"
)


@blueprint.route("/device/code", methods=["POST"])
@open_to_all
@blueprint.arguments(DeviceAsk, location=OAUTH, required=False)
@blueprint.response(200, DeviceCodes)
@blueprint.doc(security=[])
def request_device_code(payload: dict[str, Any]) -> dict[str, Any]:
    """Begin a login: a code to type in a browser, and a code to poll with. JSON is taken, too."""
    rate_limits.hit("device-login", address=client().address)
    login, device_code, user_code = device_flow.ask(payload["host"], client=client())
    return {
        "device_code": device_code,
        "user_code": user_code,
        # No address with the code in it: to type the code is what ties the terminal to the browser.
        "verification_uri": redirects.absolute("device.device_login.show"),
        "expires_in": int(device_flow.LIFETIME.total_seconds()),
        "interval": login.interval,
    }


@blueprint.route("/device/token", methods=["POST"])
@open_to_all
@blueprint.arguments(DevicePoll, location=OAUTH)
@blueprint.response(200, DeviceToken)
@blueprint.doc(security=[])
def request_device_token(payload: dict[str, Any]) -> dict[str, Any]:
    """Fetch the session once the login is approved; until then 400, and `error` says why. JSON is taken, too.

    `authorization_pending`: ask again. `slow_down`: ask again, five seconds slower from now on.
    `access_denied`, `expired_token`, `invalid_grant`: it is over.
    """
    if not payload.get("grant_type") or not payload.get("device_code"):
        raise BadRequest("Send grant_type and device_code.", error="invalid_request")
    if payload["grant_type"] != DEVICE_GRANT:
        raise BadRequest(f"The grant_type here is {DEVICE_GRANT}.", error="unsupported_grant_type")
    try:
        session, secret = device_flow.exchange(payload["device_code"], client=client())
    except BadRequest:
        # The after-request handler undoes what a refused request did; this is how often the terminal asks.
        db.session.commit()
        raise
    lasts = int((session.expires_at - now()).total_seconds())
    return {"access_token": secret, "token_type": "Bearer", "expires_in": lasts, "session": session}
