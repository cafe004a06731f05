"""The logins of this user on this machine: `~/.reflow/session.json`, one session per server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

from reflow_accounts.cli.errors import CommandError, NotSignedIn
from reflow_accounts.cli.login.session_lock import alone_with
from reflow_accounts.cli.secret_file import Draft, make_private_folder
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import SESSION_PREFIX, is_well_formed

FILE = Path(".reflow", "session.json")


def is_session_secret(value: object) -> TypeGuard[str]:
    """Say whether `value` is the whole secret of a login."""
    return isinstance(value, str) and value.startswith(SESSION_PREFIX) and is_well_formed(value)


class Session:
    """One login: the server, its secret, and the file that it is kept in."""

    def __init__(self, server: str, secret: str, path: Path) -> None:
        self.server, self.secret, self.path = server, secret, path


class SessionStore:
    """Reads and writes the file of logins; `home` is the user's home folder."""

    def __init__(self, home: Path) -> None:
        self.path = home / FILE

    def default_server(self) -> str | None:
        """Return the server of the last login that was not logged out."""
        server = self._read().get("server")
        return server if isinstance(server, str) else None

    def has_session(self, server: str) -> bool:
        """Say whether there is something to be a login at `server`, be it damaged."""
        try:
            return server in self._read()["sessions"]
        except NotSignedIn:
            return True

    def session_for(self, server: str) -> Session | None:
        """Return the login at `server`. Raises NotSignedIn when the file is damaged."""
        details = self._read()["sessions"].get(server)
        if details is None:
            return None
        secret = details.get("secret") if isinstance(details, dict) else None
        if not is_session_secret(secret):
            raise self._damaged()
        return Session(server, secret, self.path)

    def prepare(self) -> Draft:
        """Take room for the next version of the file, for its owner alone. Raises CommandError."""
        try:
            make_private_folder(self.path.parent)
            return Draft(self.path, overwrite=True)
        except OSError as error:
            raise self._unwritable(error) from None

    def keep(self, server: str, details: dict[str, Any], draft: Draft) -> Session:
        """Store a login, replacing the one at the same server; `server` becomes the default.

        Raises CommandError.
        """
        with self._changed(draft) as content:
            content["server"] = server
            content["sessions"][server] = details
        return Session(server, details["secret"], self.path)

    def forget(self, server: str) -> None:
        """Remove the login at `server`; it is no longer the default server either. Raises CommandError."""
        draft = self.prepare()
        try:
            with self._changed(draft) as content:
                content["sessions"].pop(server, None)
                if content.get("server") == server:
                    content["server"] = None
        finally:
            draft.discard()

    @contextmanager
    def _changed(self, draft: Draft) -> Iterator[dict[str, Any]]:
        """Give what is in the file, and write what is made of it; no other run changes it meanwhile."""
        try:
            with alone_with(self.path):
                content = self._read()
                yield content
                draft.publish(json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise self._unwritable(error) from None

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return {"server": None, "sessions": {}}
        except OSError as error:
            raise NotSignedIn(
                f"{self.path} (reflow login) cannot be read ({error.strerror}). "
                "See to it that you may read it, and run the command again."
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
        return CommandError(
            f"The login cannot be kept in {self.path} ({reason}). "
            f"See to it that {folder} can be written and has room, and run the command again."
        )
