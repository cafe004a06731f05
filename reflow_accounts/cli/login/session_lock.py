"""One process at a time changes the file of logins: a lock of the system, which ends with the process that has it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reflow_accounts.cli.errors import CommandError

LONGEST_WAIT = 10.0  # seconds; a change takes a few thousandths of one
_PAUSE = 0.02
# No link is followed: it could lead us anywhere.
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
# What the systems say when somebody else has the lock.
_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK, getattr(errno, "EDEADLOCK", errno.EDEADLK))


@contextmanager
def alone_with(file: Path) -> Iterator[None]:
    """Keep other runs of the command from changing `file` in this block.

    Beside it lies an empty file that is locked; it stays, since removing it would part those who wait for
    it. Raises CommandError when another one has it for too long, and OSError.
    """
    descriptor = os.open(file.with_suffix(".lock"), _OPEN, 0o600)
    try:
        _wait_for(descriptor, file)
        yield
    finally:
        os.close(descriptor)  # and with it the lock


def _wait_for(descriptor: int, file: Path) -> None:
    end = time.monotonic() + LONGEST_WAIT
    while not _is_ours(descriptor):
        if time.monotonic() > end:
            raise CommandError(
                f"Another run of reflow is changing {file} and does not end. End it, and try again."
            )
        time.sleep(_PAUSE)


def _is_ours(descriptor: int) -> bool:
    try:
        _lock(descriptor)
    except OSError as error:
        # A file system without locks is used as before there were any here.
        return error.errno not in _TAKEN
    return True


def _lock(descriptor: int) -> None:
    """Take the lock, or raise OSError at once."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # exists there alone
        return
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
