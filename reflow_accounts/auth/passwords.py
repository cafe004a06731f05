"""Hashes passwords: bcrypt over a peppered digest, so that all characters of long passwords count."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

import bcrypt
from flask import Flask, current_app

LONGEST_PASSWORD = 1024
_EXTENSION = "password_hasher"
# A salt and a digest in bcrypt's alphabet, which no password is known to give.
_NOBODYS = "ReflowAccountsNobodyXe" + "0123456789abcdefghijABCDEFGHIJ."


class PasswordHasher:
    """Hashes with the first pepper and verifies with any, so that the secret key can be rotated."""

    def __init__(self, secret_keys: Sequence[str], rounds: int) -> None:
        """Take the secret keys, current one first, and the bcrypt cost (4 to 31, as a power of two)."""
        self._peppers = [
            hmac.digest(key.encode(), b"reflow password pepper", "sha384") for key in secret_keys
        ]
        self._rounds = rounds
        self.has_older = len(secret_keys) > 1
        # A hash of nobody's password, of the same cost as any other: comparing with it takes as long.
        self._dummy = f"$2b${rounds:02}${_NOBODYS}"

    def hash(self, password: str) -> str:
        """Return what is stored for `password` (at most 1,024 characters)."""
        salt = bcrypt.gensalt(self._rounds)
        return bcrypt.hashpw(_peppered(password, self._peppers[0]), salt).decode("ascii")

    def is_current(self, password: str, stored: str) -> bool:
        """Say whether `stored`, which matches `password`, was made with the first pepper."""
        return bcrypt.checkpw(_peppered(password, self._peppers[0]), stored.encode("ascii"))

    def matches(self, password: str, stored: str | None) -> bool:
        """Say whether `password` belongs to `stored`; None costs the same time and never matches."""
        if len(password) > LONGEST_PASSWORD:
            password, stored = "", None
        kept = (stored or self._dummy).encode("ascii")
        # A list: every pepper is tried, so that the time does not say which one was right.
        is_right = any([bcrypt.checkpw(_peppered(password, pepper), kept) for pepper in self._peppers])  # noqa: C419
        return is_right and stored is not None


def _peppered(password: str, pepper: bytes) -> bytes:
    # bcrypt reads 72 bytes and stops at NUL: the base 64 of a 48-byte digest has 64 and none.
    return base64.b64encode(hmac.digest(pepper, password.encode("utf-8", "surrogatepass"), hashlib.sha384))


def init_app(app: Flask, hasher: PasswordHasher) -> None:
    """Set the hasher of an application."""
    app.extensions[_EXTENSION] = hasher


def hasher() -> PasswordHasher:
    """Return the hasher of the current application."""
    found = current_app.extensions[_EXTENSION]
    assert isinstance(found, PasswordHasher)
    return found
