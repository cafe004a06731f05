"""Protection of requests that carry cookies: the CSRF check, and the signature of the session cookie."""

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from flask import Flask, Response, abort, g, request
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_wtf.csrf import CSRFError, generate_csrf, same_origin, validate_csrf
from wtforms import ValidationError

_FIELD = "csrf_token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# The API and static files ignore cookies; `Vary: Cookie` would keep shared caches from storing a file.
_WITHOUT_COOKIES = ("/api/", "/static/", "/cli/", "/healthz", "/readyz", "/metrics")


def check_csrf() -> None:
    """Abort with 400 when an unsafe request comes from another site or lacks the session's CSRF token."""
    if request.method in SAFE_METHODS:
        return
    # Old browsers do not send Sec-Fetch-Site: the token protects them.
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(400, "This form was sent from another site.")
    try:
        validate_csrf(_unmasked(request.form.get(_FIELD, "")))
    except ValidationError as error:
        raise CSRFError(str(error)) from None
    # A network attacker may set our cookies over plain HTTP, but not send this header with our origin.
    if request.is_secure and not same_origin(request.referrer or "", f"https://{request.host}/"):
        raise CSRFError("The referrer does not match the host.")


def csrf_token() -> str:
    """Return the CSRF token of the session, masked anew for each response.

    Otherwise the length of a compressed page could reveal the token to an attacker (BREACH).
    """
    if "masked_csrf_token" not in g:
        token = generate_csrf().encode()
        pad = secrets.token_bytes(len(token))
        g.masked_csrf_token = urlsafe_b64encode(pad + _xor(pad, token)).decode()
    return str(g.masked_csrf_token)


def _unmasked(text: str) -> str:
    """Return the token of a form, or an invalid token for any other text."""
    try:
        masked = urlsafe_b64decode(text)
    except ValueError:
        return ""
    half = len(masked) // 2
    return _xor(masked[:half], masked[half:]).decode("latin-1")


def _xor(pad: bytes, content: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(pad, content, strict=False))


class SignedCookies(SecureCookieSessionInterface):
    """Flask's session cookie, signed with SHA-256 instead of SHA-1 (OWASP ASVS 5.0, 11.4.3)."""

    digest_method = staticmethod(hashlib.sha256)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not request.path.startswith(_WITHOUT_COOKIES):
            super().save_session(app, session, response)


def init_app(app: Flask) -> None:
    """Sign the session cookies of the application with SHA-256, and give templates the CSRF token."""
    app.session_interface = SignedCookies()
    app.jinja_env.globals[_FIELD] = csrf_token
