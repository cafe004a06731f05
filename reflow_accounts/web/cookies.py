"""The session cookie: signed with SHA-256 instead of SHA-1 (OWASP ASVS 5.0, 11.4.3), and only where it counts."""

import hashlib

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface, SessionMixin

# The API and static files ignore cookies; `Vary: Cookie` would keep shared caches from storing a file.
_WITHOUT_COOKIES = ("/api/", "/static/", "/healthz", "/readyz")


class SignedCookies(SecureCookieSessionInterface):
    """Flask's cookies, with a hash function that nobody has found a collision of."""

    digest_method = staticmethod(hashlib.sha256)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not request.path.startswith(_WITHOUT_COOKIES):
            super().save_session(app, session, response)


def init_app(app: Flask) -> None:
    """Have the application's cookies signed so."""
    app.session_interface = SignedCookies()
