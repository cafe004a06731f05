"""Hashes passwords: bcrypt over a peppered digest, so that all characters of long passwords count."""

import base64
import hashlib
import hmac
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt
from flask import Flask, current_app

from reflow_accounts.errors import Overloaded

T = TypeVar("T")

# Hashes calculated at once in a process. Each takes about a quarter of a second of one core at cost 12.
HASHING_THREADS = 1
# Callers that hash or wait to hash in a process. Requests wait before they get a thread (service.py), so that only
# those that disguise the name of their field come here in greater numbers.
LONGEST_QUEUE = 6
_NICENESS = 10
LONGEST_PASSWORD = 1024
_EXTENSION = "password_hasher"
# A salt and a digest in bcrypt's alphabet, which no password is known to give.
_NOBODYS = "ReflowAccountsNobodyXe" + "0123456789abcdefghijABCDEFGHIJ."


class HashingPool:
    """Calculates hashes in a few threads of low priority, for a bounded number of callers (ASVS 5.0, 15.2.2)."""

    def __init__(self, threads: int = HASHING_THREADS, longest_queue: int = LONGEST_QUEUE) -> None:
        self._executor = ThreadPoolExecutor(threads, "hashing", _lower_priority)
        self._places = threading.BoundedSemaphore(longest_queue)

    def run(self, calculate: Callable[..., T], *args: object) -> T:
        """Return `calculate(*args)`. Raises Overloaded at once when the queue is full."""
        if not self._places.acquire(blocking=False):
            raise Overloaded
        try:
            return self._executor.submit(calculate, *args).result()
        finally:
            self._places.release()


def _lower_priority() -> None:
    # On Linux alone a thread has a priority of its own (nice(2), "C library/kernel differences").
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class PasswordHasher:
    """Hashes with the first pepper and verifies with any, so that the secret key can be rotated."""

    def __init__(self, secret_keys: Sequence[str], rounds: int) -> None:
        """Take the secret keys, current one first, and the bcrypt cost (4 to 31, as a power of two)."""
        self._peppers = [
            hmac.digest(key.encode(), b"reflow password pepper", "sha384") for key in secret_keys
        ]
        self._rounds = rounds
        self._pool = HashingPool()
        self.has_older = len(secret_keys) > 1
        # A hash of nobody's password, of the same cost as any other: comparing with it takes as long.
        self._dummy = f"$2b${rounds:02}${_NOBODYS}"

    def hash(self, password: str) -> str:
        """Return what is stored for `password` (at most 1,024 characters)."""
        salt = bcrypt.gensalt(self._rounds)
        return self._pool.run(bcrypt.hashpw, _peppered(password, self._peppers[0]), salt).decode("ascii")

    def is_current(self, password: str, stored: str) -> bool:
        """Say whether `stored`, which matches `password`, was made with the first pepper."""
        return self._pool.run(bcrypt.checkpw, _peppered(password, self._peppers[0]), stored.encode("ascii"))

    def matches(self, password: str, stored: str | None) -> bool:
        """Say whether `password` belongs to `stored`; None costs the same time and never matches."""
        if len(password) > LONGEST_PASSWORD:
            password, stored = "", None
        kept = (stored or self._dummy).encode("ascii")
        is_right = self._pool.run(_matches_any, password, kept, self._peppers)
        return is_right and stored is not None


def _matches_any(password: str, stored: bytes, peppers: Sequence[bytes]) -> bool:
    # A list: every pepper is tried, so that the time does not say which one was right.
    return any([bcrypt.checkpw(_peppered(password, pepper), stored) for pepper in peppers])  # noqa: C419


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
