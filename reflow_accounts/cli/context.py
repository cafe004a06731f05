"""The context of one run of the command: options, environment, and what follows from both."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from reflow_accounts.cli.output import is_terminal, say, tell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reflow_accounts.cli.credentials import Credential, Environment, Source
    from reflow_accounts.cli.http.client import Client
    from reflow_accounts.cli.login.session_store import SessionStore


class Context:
    """Holds the options; everything else is computed on first use. Imports are local to keep the start fast."""

    def __init__(self) -> None:
        self.key_file: str | None = None
        self.server_option: str | None = None
        self.as_json = False

    @cached_property
    def environ(self) -> Mapping[str, str]:
        """The environment variables."""
        return os.environ

    @cached_property
    def home(self) -> Path | None:
        """The home folder, or None when the environment names none."""
        from reflow_accounts.cli.credentials import home_of

        return home_of(self.environ)

    @cached_property
    def folder(self) -> Path | None:
        """The current folder, or None when it was deleted."""
        from pathlib import Path

        try:
            return Path.cwd()
        except OSError:
            return None

    @cached_property
    def may_ask(self) -> bool:
        """Whether questions can be asked: on a terminal, but never in CI."""
        return not self.environ.get("CI") and is_terminal(sys.stdin) and is_terminal(sys.stderr)

    @cached_property
    def store(self) -> SessionStore | None:
        """The logins of this user, or None without a home folder."""
        from reflow_accounts.cli.login.session_store import SessionStore

        return SessionStore(self.home) if self.home else None

    def store_for_login(self) -> SessionStore:
        """Return the logins of this user. Raises CommandError without a home folder."""
        from reflow_accounts.cli.credentials import home_variable
        from reflow_accounts.cli.errors import CommandError

        if self.store is None:
            raise CommandError(
                f"There is no home folder to keep the login in. Set {home_variable()}, or use an API key."
            )
        return self.store

    @cached_property
    def server(self) -> str:
        """The server's address: `--server`, REFLOW_SERVER, the last login, or the default. Raises UsageFault."""
        from reflow_accounts.cli.http.server_address import server_address
        from reflow_accounts.contract import DEFAULT_SERVER

        if self.server_option is not None:
            return server_address(self.server_option, "--server")
        if self.environ.get("REFLOW_SERVER"):
            return server_address(self.environ["REFLOW_SERVER"], "REFLOW_SERVER")
        remembered = self.store.default_server() if self.store else None
        return server_address(remembered or DEFAULT_SERVER, "the server in session.json")

    @property
    def server_source(self) -> str:
        """The source of the server's address, as text. Raises as `server` does."""
        if self.server_option is not None:
            return "--server"
        if self.environ.get("REFLOW_SERVER"):
            return "REFLOW_SERVER"
        return "the last login" if self.store and self.store.default_server() else "the default"

    @property
    def environment(self) -> Environment:
        """The input of the search for a credential."""
        from reflow_accounts.cli.credentials import Environment

        return Environment(self.key_file, self.environ, self.folder, self.home, self.store, self.server)

    def sources(self) -> list[Source]:
        """Return the sources that have a credential, the one in use first."""
        from reflow_accounts.cli.credentials import sources

        return sources(self.environment)

    def credential(self) -> Credential:
        """Return the credential to use; without one, start a login on a terminal.

        Raises NotSignedIn when there is none or it cannot be used.
        """
        from reflow_accounts.cli.credentials import credential_of, warnings_for

        found = self.sources()
        if not found:
            self._log_in()
            found = self.sources()
        credential = credential_of(found[0], self.environment)
        tell(*warnings_for(found, self.server))
        return credential

    def client(self) -> Client:
        """Return a client of the API with the credential to use."""
        from reflow_accounts.cli.http.client import Client

        return Client(self.server, self.credential())

    def _log_in(self) -> None:
        from reflow_accounts.cli.errors import NotSignedIn

        if not self.may_ask:
            raise NotSignedIn(
                f"You are not signed in at {self.server}. Run reflow login, or put an API key into "
                "the variable REFLOW_API_KEY, a file reflow.key at the git root, or ~/.reflow/api.key."
            )
        from reflow_accounts.cli.login.device_flow import log_in_with_browser

        say(f"You are not signed in at {self.server} yet.")
        log_in_with_browser(self.server, self.store_for_login(), self.environ)
