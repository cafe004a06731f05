"""One run of the command: what it was told, where it runs, and what follows from both."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

import click

from reflow_accounts.cli.output import is_terminal, say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reflow_accounts.cli.credentials import Credential, Environment, Place
    from reflow_accounts.cli.http.client import Client
    from reflow_accounts.cli.login.session_store import Session, SessionStore


class Context:
    """What the options said; the rest is found out when it is first asked for."""

    def __init__(self) -> None:
        self.key_file: str | None = None
        self.server_option: str | None = None
        self.as_json = False
        self.quiet = False

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
        """The current folder, or None when it is gone."""
        from pathlib import Path

        try:
            return Path.cwd()
        except OSError:
            return None

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
        """The server's address: `--server`, REFLOW_SERVER, the login, or the default."""
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
        """Where the server's address comes from, in words. Raises as `server` does."""
        if self.server_option is not None:
            return "--server"
        if self.environ.get("REFLOW_SERVER"):
            return "REFLOW_SERVER"
        return "the last login" if self.store and self.store.default_server() else "the default"

    @property
    def session(self) -> Session | None:
        """The login at the server, or None."""
        return self.store.session_for(self.server) if self.store else None

    @property
    def environment(self) -> Environment:
        """What the search for a credential looks at."""
        from reflow_accounts.cli.credentials import Environment

        return Environment(self.key_file, self.environ, self.folder, self.home, self.store, self.server)

    def places(self) -> list[Place]:
        """Return the places that have a credential, the one that wins first."""
        from reflow_accounts.cli.credentials import places

        return places(self.environment)

    def credential(self) -> Credential:
        """Return the credential that wins; on a terminal without one, log in first.

        Raises NotSignedIn when there is none or it cannot be used.
        """
        from reflow_accounts.cli.cautions import cautions_for
        from reflow_accounts.cli.credentials import credential_at

        found = self.places()
        if not found:
            self._log_in_or_say_how()
            found = self.places()
        credential = credential_at(found[0], self.environment)
        self.tell(*cautions_for(found, self.server))
        return credential

    def client(self) -> Client:
        """Return the line to the API, with the credential that wins."""
        from reflow_accounts.cli.http.client import Client

        return Client(self.server, self.credential())

    def _log_in_or_say_how(self) -> None:
        from reflow_accounts.cli.errors import NotSignedIn

        if not self.may_ask:
            raise NotSignedIn(
                f"You are not signed in at {self.server}. Run reflow login, or put an API key into "
                "the variable REFLOW_API_KEY, a file reflow.key at the git root, or ~/.reflow/api.key."
            )
        from reflow_accounts.cli.login.sessions import log_in_by_browser

        say(f"You are not signed in at {self.server} yet.")
        log_in_by_browser(self)

    @cached_property
    def may_ask(self) -> bool:
        """Whether a person is there to answer questions: never in CI, whose terminal nobody reads."""
        return not self.environ.get("CI") and is_terminal(sys.stdin) and is_terminal(sys.stderr)

    def tell(self, *lines: str) -> None:
        """Say something that is no error, unless told to be quiet."""
        if not self.quiet:
            say(*lines)


def current_context() -> Context | None:
    """Return the run that goes on, or None outside of one."""
    context = click.get_current_context(silent=True)
    return context.find_object(Context) if context else None


def tell(*lines: str) -> None:
    """Say something that is no error, unless the run that goes on is to be quiet."""
    context = current_context()
    if context is None or not context.quiet:
        say(*lines)
