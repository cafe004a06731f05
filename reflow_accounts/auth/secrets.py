"""Creates secrets, and the digest and hint that are stored of them (the format is in contract.py)."""

import hashlib
import secrets

from reflow_accounts.contract import ALPHABET, RANDOM_LENGTH, checksum

HINT_LENGTH = 4


def new_secret(prefix: str) -> str:
    """Return a new secret: `prefix`, 43 characters (256 bits) from the system's random source, checksum."""
    body = prefix + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + checksum(body)


def digest_of(secret: str) -> bytes:
    """Return the SHA-256 of the whole secret (32 bytes), the only form that is stored.

    A plain fast hash is enough for 256 random bits (OWASP ASVS 5.0, 6.5.2).
    """
    return hashlib.sha256(secret.encode()).digest()


def canary_digest_of(secret: str) -> bytes:
    """Return the digest of the secret of a canary key (a trap).

    It differs from `digest_of`, so that key verification treats a canary as an unknown key, after the same work.
    """
    return hashlib.sha256(b"canary " + digest_of(secret)).digest()


def hint_of(secret: str) -> str:
    """Return the last four characters, which distinguish secrets in lists."""
    return secret[-HINT_LENGTH:]
