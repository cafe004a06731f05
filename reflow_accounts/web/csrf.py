"""Protection of requests that carry cookies: the CSRF check, and the signature of the session cookie."""

import hashlib

from flask import Flask, Response, abort, request
from flask.sessions import SecureCookieSessionInterface, SessionMixin

from reflow_accounts.database import csrf

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# The API and static files ignore cookies; `Vary: Cookie` would keep shared caches from storing a file.
_WITHOUT_COOKIES = ("/api/", "/static/", "/healthz", "/readyz")


def check_csrf() -> None:
    """Abort with 400 when an unsafe request comes from another site or lacks the session's CSRF token."""
    if request.method in SAFE_METHODS:
        return
    # Old browsers do not send Sec-Fetch-Site: the token protects them.
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(400, "This form was sent from another site.")
    csrf.protect()


class SignedCookies(SecureCookieSessionInterface):
    """Flask's session cookie, signed with SHA-256 instead of SHA-1 (OWASP ASVS 5.0, 11.4.3)."""

    digest_method = staticmethod(hashlib.sha256)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not request.path.startswith(_WITHOUT_COOKIES):
            super().save_session(app, session, response)


def init_app(app: Flask) -> None:
    """Sign the session cookies of the application with SHA-256."""
    app.session_interface = SignedCookies()
