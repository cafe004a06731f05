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

# Concurrent hashes in a process. Each takes about a quarter of a second of one core at cost 12.
HASHING_THREADS = 1
# Maximum callers in a process that hash or wait to hash. service.py admits fewer requests with a password field:
# only requests that disguise the field's name reach this limit.
LONGEST_QUEUE = 6
_NICENESS = 10
LONGEST_PASSWORD = 1024
_EXTENSION = "password_hasher"
# A salt and a digest in bcrypt's alphabet that no known password has.
_DUMMY = "ReflowAccountsNobodyXe" + "0123456789abcdefghijABCDEFGHIJ."


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
    # Only on Linux does each thread have a priority (nice(2), "C library/kernel differences").
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
        # Has the cost of a real hash, so that comparing takes as long.
        self._dummy = f"$2b${rounds:02}${_DUMMY}"

    def hash(self, password: str) -> str:
        """Return the hash to store for `password` (at most 1,024 characters)."""
        salt = bcrypt.gensalt(self._rounds)
        return self._pool.run(bcrypt.hashpw, _add_pepper(password, self._peppers[0]), salt).decode("ascii")

    def is_current(self, password: str, stored_hash: str) -> bool:
        """Return whether `stored_hash`, which matches `password`, was made with the first pepper."""
        return self._pool.run(
            bcrypt.checkpw, _add_pepper(password, self._peppers[0]), stored_hash.encode("ascii")
        )

    def matches(self, password: str, stored_hash: str | None) -> bool:
        """Return whether `password` matches `stored_hash`; None takes the same time and never matches."""
        if len(password) > LONGEST_PASSWORD:
            password, stored_hash = "", None
        hash_to_check = (stored_hash or self._dummy).encode("ascii")
        is_right = self._pool.run(_matches_any, password, hash_to_check, self._peppers)
        return is_right and stored_hash is not None


def _matches_any(password: str, stored_hash: bytes, peppers: Sequence[bytes]) -> bool:
    # A list, not a generator: tries every pepper, so that the duration does not reveal which one matched.
    return any([bcrypt.checkpw(_add_pepper(password, pepper), stored_hash) for pepper in peppers])  # noqa: C419


def _add_pepper(password: str, pepper: bytes) -> bytes:
    # bcrypt reads 72 bytes and stops at NUL: base 64 of a 48-byte digest has 64 bytes and no NUL.
    return base64.b64encode(hmac.digest(pepper, password.encode("utf-8", "surrogatepass"), hashlib.sha384))


def init_app(app: Flask, hasher: PasswordHasher) -> None:
    """Set the hasher of an application."""
    app.extensions[_EXTENSION] = hasher


def hasher() -> PasswordHasher:
    """Return the hasher of the current application."""
    current = current_app.extensions[_EXTENSION]
    assert isinstance(current, PasswordHasher)
    return current
