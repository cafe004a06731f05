"""Login with email and password, on a terminal or from a script."""

from __future__ import annotations

import sys
from typing import Any

import click

from reflow_accounts.cli.errors import NotSignedIn, Problem, UsageFault
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.login.session_store import SessionStore
from reflow_accounts.cli.login.sessions import log_in, session_may_begin
from reflow_accounts.cli.output import is_terminal

LONGEST_PASSWORD = 64 * 1024  # bytes of one line on stdin; the server decides what it accepts


def log_in_with_password(
    server: str, store: SessionStore, email: str | None, otp: str | None, *, may_ask: bool
) -> dict[str, Any]:
    """Log in as `sessions.log_in` does and return the session.

    With `may_ask` prompts for what is missing; otherwise the password is one line on stdin, and `otp` the
    code of the second factor if one is set up. Raises UsageFault and NotSignedIn.
    """

    def begin() -> dict[str, Any]:
        if not (email or may_ask):
            raise UsageFault(
                "Without a terminal, use --with-password --email EMAIL and give the password on stdin."
            )
        address = email or str(click.prompt("Email", err=True)).strip()
        return _session(server, address, _read_password(may_ask), otp, may_ask)

    return log_in(server, store, begin)


def _read_password(may_ask: bool) -> str:
    if may_ask:
        return str(click.prompt("Password", hide_input=True, err=True))
    if is_terminal(sys.stdin):  # reading a line here would show the password
        raise UsageFault("The password is asked for on a terminal: do not redirect stderr, nor set CI.")
    line = sys.stdin.buffer.readline(LONGEST_PASSWORD + 1) if sys.stdin else b""
    try:
        password = line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise UsageFault("The password on stdin is not UTF-8 text.") from None
    if not password or len(line) > LONGEST_PASSWORD:
        raise UsageFault("Give the password as one line on stdin.")
    return password


def _session(server: str, email: str, password: str, otp: str | None, may_ask: bool) -> dict[str, Any]:
    payload = {"email": email, "password": password} | ({"otp": otp} if otp else {})
    try:
        with session_may_begin():
            return Client(server).ask_object("POST", "/sessions", body=payload)
    except Problem as problem:
        if problem.status != 401:
            raise
        if problem.document.get("otp_required") is not True:
            raise NotSignedIn("The email or the password is not correct.") from None
        if otp is not None:
            raise NotSignedIn("The authentication code is not correct.") from None
    if not may_ask:
        raise NotSignedIn(
            "Two-factor authentication is on. Give the code of your authenticator app with --otp."
        )
    code = str(click.prompt("Authentication code", err=True)).strip()
    return _session(server, email, password, code, may_ask)
