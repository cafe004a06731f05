"""Logging in with email and password, at a terminal or from a script."""

from __future__ import annotations

import sys
from typing import Any

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import NotSignedIn, Problem, UsageFault
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.login.lost_answers import session_may_begin
from reflow_accounts.cli.output import is_terminal

LONGEST_PASSWORD = 64 * 1024  # bytes of one line on stdin; the server decides what it accepts


def session_with_password(
    context: Context, email: str | None = None, otp: str | None = None
) -> dict[str, Any]:
    """Return a new session: the API's words and the `secret`.

    Asks on the terminal for what is missing; elsewhere the password is one line on stdin, and `otp` the
    code of the second factor where one is on. Raises UsageFault and NotSignedIn.
    """
    email = email or _asked_email(context)
    return _opened(context, email, _asked_password(context), otp)


def _asked_email(context: Context) -> str:
    if not context.may_ask:
        raise UsageFault(
            "Without a terminal, use --with-password --email EMAIL and give the password on stdin."
        )
    return str(click.prompt("Email", err=True)).strip()


def _asked_password(context: Context) -> str:
    if context.may_ask:
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


def _opened(context: Context, email: str, password: str, otp: str | None) -> dict[str, Any]:
    words = {"email": email, "password": password} | ({"otp": otp} if otp else {})
    try:
        with session_may_begin():
            return Client(context.server).ask_object("POST", "/sessions", body=words)
    except Problem as problem:
        if problem.status != 401:
            raise
        if problem.document.get("otp_required") is not True:
            raise NotSignedIn("The email or the password is not correct.") from None
        if otp is not None:
            raise NotSignedIn("The authentication code is not correct.") from None
    return _opened(context, email, password, _asked_code(context))


def _asked_code(context: Context) -> str:
    if not context.may_ask:
        raise NotSignedIn(
            "Two-factor authentication is on. Give the code of your authenticator app with --otp."
        )
    return str(click.prompt("Authentication code", err=True)).strip()
