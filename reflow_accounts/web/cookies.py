"""The session cookie's signature: SHA-256, where Flask would take SHA-1 (OWASP ASVS 5.0, 11.4.3)."""

import hashlib

from flask import Flask
from flask.sessions import SecureCookieSessionInterface


class SignedCookies(SecureCookieSessionInterface):
    """Flask's cookies, with a hash function that nobody has found a collision of."""

    digest_method = staticmethod(hashlib.sha256)


def bind(app: Flask) -> None:
    """Have the application's cookies signed so."""
    app.session_interface = SignedCookies()
