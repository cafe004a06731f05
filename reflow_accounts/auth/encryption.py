"""Encrypts short secrets with a key derived from the secret key, so that the database alone does not reveal them."""

import base64
from collections.abc import Sequence
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, current_app

_EXTENSION = "vault"


class Vault:
    """Encrypts with the first secret key and decrypts with any, so that the secret key can be rotated."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        """Derive a key from each secret key; the first is the current one."""
        fernets = []
        for key in secret_keys:
            # HKDF (RFC 5869): separates this key from other uses of the secret key.
            hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"reflow second factor")
            fernets.append(Fernet(base64.urlsafe_b64encode(hkdf.derive(key.encode()))))
        self._current, self._all = fernets[0], MultiFernet(fernets)

    def seal(self, text: str) -> bytes:
        """Return `text` encrypted and signed, with the time."""
        return self._current.encrypt(text.encode())

    def open(self, sealed: bytes, *, lifetime: timedelta | None = None) -> str | None:
        """Return the decrypted text; None if it is forged, its key is unknown, or it is older than `lifetime`."""
        try:
            return self._all.decrypt(sealed, ttl=int(lifetime.total_seconds()) if lifetime else None).decode()
        except InvalidToken:
            return None

    def is_current(self, sealed: bytes) -> bool:
        """Return whether `sealed` was encrypted with the first secret key."""
        try:
            self._current.decrypt(sealed)
        except InvalidToken:
            return False
        return True


def init_app(app: Flask, vault: Vault) -> None:
    """Set the vault of an application."""
    app.extensions[_EXTENSION] = vault


def vault() -> Vault:
    """Return the vault of the current application."""
    current = current_app.extensions[_EXTENSION]
    assert isinstance(current, Vault)
    return current
