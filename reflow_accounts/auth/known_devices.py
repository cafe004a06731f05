"""A signed cookie that names the users who have logged in with this browser, for limits of their own."""

import hashlib
import secrets
from datetime import timedelta
from typing import TypedDict

from flask import current_app, request
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from reflow_accounts.auth.login import find_by_email
from reflow_accounts.config import Settings
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import client

LIFETIME = timedelta(days=365)
# Users that one browser remembers, the latest ones.
MOST_USERS = 5
_DEVICE_ID_BYTES = 8


# Attempts of strangers do not lock a user out of a browser that has the cookie (OWASP, "Slow Down Online Guessing
# Attacks with Device Cookies"). The cookie proves nothing else.
class Attempt(TypedDict, total=False):
    """The arguments of `rate_limits` that say who is counted."""

    account: str
    address: str


def attempt_for(email: str) -> Attempt:
    """Return how to count an attempt to log in with `email`: by device where it is known, else by address."""
    if devices := _devices():
        user = find_by_email(email)
        if user and (device_id := devices.get(user.public_id)):
            return {"account": f"device {device_id} {user.public_id}"}
    return {"account": email, "address": client().address}


def remember(response: Response, user: User) -> None:
    """Set the cookie that makes this browser a known device of `user`, for a year."""
    devices = _devices()
    device_id = devices.pop(user.public_id, None) or secrets.token_urlsafe(_DEVICE_ID_BYTES)
    newest = dict([*devices.items(), (user.public_id, device_id)][-MOST_USERS:])
    response.set_cookie(
        _cookie_name(),
        _serializer().dumps(newest),
        max_age=LIFETIME,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )


def _devices() -> dict[str, str]:
    """Return the device id of each user in the cookie, the latest user last; empty without a valid cookie."""
    try:
        value = _serializer().loads(request.cookies.get(_cookie_name(), ""), int(LIFETIME.total_seconds()))
    except BadData:
        return {}
    return dict(value)


def _cookie_name() -> str:
    name: str = current_app.config["DEVICE_COOKIE_NAME"]
    return name


def _serializer() -> URLSafeTimedSerializer:
    settings: Settings = current_app.config["SETTINGS"]
    signer = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeTimedSerializer(settings.signing_keys, salt="known devices", signer_kwargs=signer)
