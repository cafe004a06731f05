"""The tokens of mailed links: a public id, signed for one purpose."""

import hashlib

from flask import current_app
from itsdangerous import BadSignature, Signer

from reflow_accounts.config import Settings


def sign(public_id: str, purpose: str) -> str:
    """Return what stands in the address of a mailed link: the id and a signature that is good for `purpose` alone."""
    return _signer(purpose).sign(public_id).decode("ascii")


def read(token: str, purpose: str) -> str | None:
    """Return the public id in a token that we signed for `purpose`; None for everything else.

    Whether the link was used or is too old is for its row to say.
    """
    try:
        return _signer(purpose).unsign(token).decode("ascii")
    except (BadSignature, UnicodeError):
        return None


def _signer(purpose: str) -> Signer:
    settings: Settings = current_app.config["SETTINGS"]
    # The newest key comes last: it signs, and every one may have signed.
    keys = [*settings.secret_key_fallbacks, settings.secret_key]
    salt = f"reflow mailed link: {purpose}"
    return Signer(keys, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)
