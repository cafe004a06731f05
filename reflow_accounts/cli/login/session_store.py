"""The logins of this user on this machine: `~/.reflow/session.json`, one session per server."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

from reflow_accounts.cli.errors import CommandError, NotSignedIn
from reflow_accounts.cli.secret_file import AtomicFile, make_private_folder
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import SESSION_PREFIX, is_well_formed

FILE = Path(".reflow", "session.json")
LONGEST_WAIT = 10.0  # seconds for the lock; a change takes a few milliseconds
_LOCK_INTERVAL = 0.02  # seconds
# Links are not followed: they could point anywhere.
_OPEN_LOCK = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
# The errors with which systems report a lock held by another process.
_LOCKED = (errno.EAGAIN, errno.EACCES, errno.EDEADLK, getattr(errno, "EDEADLOCK", errno.EDEADLK))


def is_session_secret(value: object) -> TypeGuard[str]:
    """Return whether `value` is the complete secret of a login."""
    return isinstance(value, str) and value.startswith(SESSION_PREFIX) and is_well_formed(value)


class Session:
    """One login: the server, its secret, and the file that stores it."""

    def __init__(self, server: str, secret: str, path: Path) -> None:
        self.server, self.secret, self.path = server, secret, path


class SessionStore:
    """Reads and writes the file of logins in the user's home folder `home`."""

    def __init__(self, home: Path) -> None:
        self.path = home / FILE

    def servers(self) -> list[str]:
        """Return the servers with a login, the last one first. Raises NotSignedIn when the file is damaged."""
        return [*self._read()["sessions"]][::-1]

    def has_session(self, server: str) -> bool:
        """Return whether there is a login at `server`; true for a damaged file, which is reported when it is used."""
        try:
            return server in self._read()["sessions"]
        except NotSignedIn:
            return True

    def session_for(self, server: str) -> Session | None:
        """Return the login at `server`. Raises NotSignedIn when the file is damaged."""
        return self._session_in(self._read(), server)

    def _session_in(self, content: dict[str, Any], server: str) -> Session | None:
        details = content["sessions"].get(server)
        if details is None:
            return None
        secret = details.get("secret") if isinstance(details, dict) else None
        if not (isinstance(secret, str) and is_well_formed(secret)):
            raise self._damaged()
        return Session(server, secret, self.path)

    def prepare(self) -> AtomicFile:
        """Reserve disk space for the next version of the file. Raises CommandError."""
        try:
            make_private_folder(self.path.parent)
            return AtomicFile(self.path, overwrite=True)
        except OSError as error:
            raise self._unwritable(error) from None

    def keep(self, server: str, details: dict[str, Any], file: AtomicFile) -> Session | None:
        """Store a login and return the one at the same server that it replaces. Raises CommandError."""
        with self._changed(file) as content:
            replaced = self._session_in(content, server)
            content["sessions"].pop(server, None)
            content["sessions"][server] = details
        return replaced

    def forget(self, server: str) -> None:
        """Remove the login at `server`. Raises CommandError."""
        file = self.prepare()
        try:
            with self._changed(file) as content:
                content["sessions"].pop(server, None)
        finally:
            file.discard()

    @contextmanager
    def _changed(self, file: AtomicFile) -> Iterator[dict[str, Any]]:
        """Lock the file, yield its content and write it back."""
        try:
            with lock(self.path):
                content = self._read()
                yield content
                file.write(json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise self._unwritable(error) from None

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return {"sessions": {}}
        except OSError as error:
            raise NotSignedIn(
                f"{self.path} (reflow login) cannot be read ({error.strerror}). "
                "Make the file readable for your user, and run the command again."
            ) from None
        except (ValueError, RecursionError):
            raise self._damaged() from None
        if not (isinstance(content, dict) and isinstance(content.get("sessions"), dict)):
            raise self._damaged()
        return content

    def _damaged(self) -> CommandError:
        return NotSignedIn(
            f"{self.path} (reflow login) is damaged. Remove it and run reflow login again:",
            f"    {shell('del' if os.name == 'nt' else 'rm', self.path)}",
        )

    def _unwritable(self, error: OSError) -> CommandError:
        reason, folder = error.strerror or "something else is there", self.path.parent
        if isinstance(error, NotADirectoryError):
            return CommandError(
                f"The login cannot be kept in {self.path}, because {folder} is not a folder. "
                "Move it away, and run the command again."
            )
        return CommandError(
            f"The login cannot be kept in {self.path} ({reason}). "
            f"Make sure that {folder} is writable and the disk is not full, and run the command again."
        )


@contextmanager
def lock(file: Path) -> Iterator[None]:
    """Hold a lock of the operating system for changes of `file`. It is released when the process ends.

    The lock is on an empty file beside it. That file is never removed: otherwise waiting processes could hold
    different locks. Raises OSError, and CommandError when another process holds the lock for LONGEST_WAIT.
    """
    descriptor = os.open(file.with_suffix(".lock"), _OPEN_LOCK, 0o600)
    try:
        end = time.monotonic() + LONGEST_WAIT
        while not _try_lock(descriptor):
            if time.monotonic() > end:
                raise CommandError(
                    f"Another run of reflow is changing {file} and does not end. End it, and try again."
                )
            time.sleep(_LOCK_INTERVAL)
        yield
    finally:
        os.close(descriptor)  # releases the lock


def _try_lock(descriptor: int) -> bool:
    """Try to take the lock and return whether it is held; always true on a file system without locks."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # Windows only
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _LOCKED
    return True
