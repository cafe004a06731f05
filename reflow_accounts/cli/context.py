"""The context of one run of the command: options, environment, and what is computed from them."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from reflow_accounts.cli.errors import ServerFault, UsageFault
from reflow_accounts.cli.output import is_terminal, say, tell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reflow_accounts.cli.credentials import Credential, Environment, Source
    from reflow_accounts.cli.http.client import ApiClient
    from reflow_accounts.cli.login.session_store import SessionStore


class Context:
    """Holds the options; everything else is computed on first use. Imports are local to keep the start fast."""

    def __init__(self) -> None:
        self.key_file: str | None = None
        self.server_option: str | None = None
        self.as_json = False
        self.place: str | None = None
        self.insecure = False

    @property
    def given_options(self) -> list[str]:
        """The options of this run that select the credential and its server, for use in other commands."""
        options = ["-k", self.key_file] if self.key_file is not None else []
        options += ["--server", self.server_option] if self.server_option is not None else []
        options += ["--as", self.place] if self.place else []
        return [*options, *(["--insecure"] if self.insecure else [])]

    @cached_property
    def environ(self) -> Mapping[str, str]:
        """The environment variables."""
        return os.environ

    @cached_property
    def home(self) -> Path | None:
        """The home folder, or None when the environment does not name one."""
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
        from reflow_accounts.cli.http.user_agent import is_ci

        return not is_ci(self.environ) and is_terminal(sys.stdin) and is_terminal(sys.stderr)

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
    def named_server(self) -> tuple[str, str]:
        """The address in --server or REFLOW_SERVER ("" for none), and the name of that option or variable.

        Raises UsageFault for an invalid address.
        """
        from reflow_accounts.cli.http.server_address import server_address

        if self.server_option is not None:
            return server_address(self.server_option, "--server"), "--server"
        address = self.environ.get("REFLOW_SERVER")
        return (server_address(address, "REFLOW_SERVER") if address else ""), "REFLOW_SERVER"

    @cached_property
    def environment(self) -> Environment:
        """The input of the credential search. Raises UsageFault for a bad address or place."""
        from reflow_accounts.cli.credentials import PLACES, Environment

        if self.key_file is not None and self.place:
            raise UsageFault("Use -k or --as, not both.")
        server, server_source = self.named_server
        return Environment(
            key_file=self.key_file,
            place=PLACES[self.place] if self.place else None,
            environ=self.environ,
            folder=self.folder,
            home=self.home,
            store=self.store,
            server=server,
            server_source=server_source,
            allows_http=self.insecure or self.environ.get("REFLOW_INSECURE") == "1",
            read_stdin=lambda: self._stdin,
        )

    @cached_property
    def _stdin(self) -> bytes:
        """The content of stdin, read once."""
        from reflow_accounts.cli.secret_file import LARGEST_FILE

        return sys.stdin.buffer.read(LARGEST_FILE + 1) if sys.stdin else b""

    @cached_property
    def login_server(self) -> str:
        """The server to log in to or out of: the named one, or that of the only login. Raises CommandError."""
        from reflow_accounts.cli.credentials import no_server
        from reflow_accounts.cli.http.server_address import check_encryption

        environment = self.environment
        server = environment.server or environment.only_login()
        if not server:
            raise ServerFault(*no_server(environment, "It is not clear which server is meant."))
        check_encryption(server, allowed=environment.allows_http)
        return server

    def sources(self) -> list[Source]:
        """Return the sources that have a credential, the one in use first."""
        from reflow_accounts.cli.credentials import sources

        return sources(self.environment)

    def credential(self, unusable: Source | None = None) -> Credential:
        """Return the credential to use, skipping `unusable`; if there is none, log in on a terminal.

        Raises NotSignedIn when there is none or it cannot be used, and UsageFault when its server is unknown.
        """
        from reflow_accounts.cli.credentials import Kind, credential_of, no_credential

        usable = [source for source in self.sources() if source != unusable]
        if not usable:
            if not self.may_ask or self.environment.place not in (None, Kind.LOGIN):
                raise no_credential(self.environment)
            from reflow_accounts.cli.login.device_flow import log_in_with_browser

            say(f"You are not signed in at {self.login_server} yet.")
            log_in_with_browser(self.login_server, self.store_for_login(), self.environ)
            usable = [source for source in self.sources() if source != unusable]
        credential = credential_of(usable[0], self.environment)
        warn_about(usable, credential.server)
        return credential

    def client(self, unusable: Source | None = None) -> ApiClient:
        """Return an API client with the credential that `credential(unusable)` returns. Raises the same errors."""
        from reflow_accounts.cli.http.client import ApiClient

        credential = self.credential(unusable)
        return ApiClient(credential.server, credential)


def warn_about(sources: list[Source], server: str) -> None:
    """Warn about unprotected credentials, each with the command that fixes it."""
    from reflow_accounts.cli.credentials import Kind
    from reflow_accounts.cli.http.server_address import is_exposed
    from reflow_accounts.cli.keys.gitignore import git_warnings
    from reflow_accounts.cli.secret_file import is_readable_by_others
    from reflow_accounts.cli.text import shell

    for source in sources:
        if source.path and is_readable_by_others(source.path):
            command = shell("chmod", "600", source.path)
            tell(f"warning: {source.path} can be read by others. Fix it:", f"    {command}")
        if source.path and source.kind is Kind.REPOSITORY:
            tell(*git_warnings(source.path, source.path.parent))
    if is_exposed(server):
        tell(f"warning: your secret travels unencrypted to {server}. Use https:// with --server.")
