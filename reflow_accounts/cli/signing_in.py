"""Logging in with a password, and logging out."""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime
from typing import Any

import click

from reflow_accounts.cli.client import Client
from reflow_accounts.cli.credentials import Credential, Kind, Place
from reflow_accounts.cli.errors import CommandError, NotSignedIn, Problem, Unreachable, UsageFault
from reflow_accounts.cli.files import Draft
from reflow_accounts.cli.output import is_terminal
from reflow_accounts.cli.run import Run
from reflow_accounts.cli.session_store import Session, SessionStore
from reflow_accounts.cli.text import clean
from reflow_accounts.contract import SESSION_PREFIX, is_well_formed

LONGEST_PASSWORD = 64 * 1024  # bytes of one line on stdin; the server decides what it accepts


def log_in(run: Run, email: str | None = None, otp: str | None = None) -> dict[str, Any]:
    """Log in at the run's server and remember the session and the server.

    Asks on the terminal for what is missing; elsewhere the password is one line on stdin, and `otp` the
    code of the second factor where one is on. Returns the API's answer without the secret.
    """
    store = run.store_for_login()
    previous = run.session
    email = email or _asked_email(run)
    password = _asked_password(run)
    draft = store.prepare()
    try:
        answer = _opened(run, email, password, otp)
        _keep(run, store, answer, draft)
    finally:
        draft.discard()
    if previous:
        _end_quietly(run, previous)
    return {name: value for name, value in answer.items() if name != "secret"}


def log_out(run: Run) -> bool:
    """End the session at the run's server and forget it here in every case.

    Returns whether there was one. Raises CommandError when the server could not be told.
    """
    session = run.session
    if session is None:
        return False
    try:
        _end(run, session)
    except CommandError as fault:
        run.store_for_login().forget(session.server)
        raise CommandError(
            *fault.lines,
            "The login was removed here, but the server may still know it: end it in Account > Security.",
            exit_code=fault.exit_code,
        ) from None
    run.store_for_login().forget(session.server)
    return True


def _asked_email(run: Run) -> str:
    if not run.may_ask:
        raise UsageFault(
            "Without a terminal, use --with-password --email EMAIL and give the password on stdin."
        )
    return str(click.prompt("Email", err=True)).strip()


def _asked_password(run: Run) -> str:
    if run.may_ask:
        return str(click.prompt("Password", hide_input=True, err=True))
    if is_terminal(sys.stdin):  # reading a line here would show the password
        raise UsageFault("The password is asked for on the terminal: do not redirect stderr.")
    line = sys.stdin.buffer.readline(LONGEST_PASSWORD + 1) if sys.stdin else b""
    try:
        password = line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise UsageFault("The password on stdin is not UTF-8 text.") from None
    if not password or len(line) > LONGEST_PASSWORD:
        raise UsageFault("Give the password as one line on stdin.")
    return password


def _opened(run: Run, email: str, password: str, otp: str | None) -> dict[str, Any]:
    words = {"email": email, "password": password} | ({"otp": otp} if otp else {})
    try:
        return _session_in(run, Client(run.server).ask_object("POST", "/sessions", body=words))
    except Problem as problem:
        if problem.status != 401:
            raise
        if problem.document.get("otp_required") is not True:
            raise NotSignedIn("The email or the password is not correct.") from None
        if otp is not None:
            raise NotSignedIn("The authentication code is not correct.") from None
    return _opened(run, email, password, _asked_code(run))


def _session_in(run: Run, answer: dict[str, Any]) -> dict[str, Any]:
    secret = answer.get("secret")
    if not (isinstance(secret, str) and secret.startswith(SESSION_PREFIX) and is_well_formed(secret)):
        raise Unreachable(f"{run.server} answered without a session, so it is not Reflow that answers.")
    return answer


def _asked_code(run: Run) -> str:
    if not run.may_ask:
        raise NotSignedIn(
            "Two-factor authentication is on. Give the code of your authenticator app with --otp."
        )
    return str(click.prompt("Authentication code", err=True)).strip()


def _keep(run: Run, store: SessionStore, answer: dict[str, Any], draft: Draft) -> None:
    user = answer.get("user")
    user = user if isinstance(user, dict) else {}
    details = {
        "id": answer.get("id"),
        "secret": answer["secret"],
        "email": user.get("email"),
        "name": user.get("name"),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "expires_at": answer.get("expires_at"),
    }
    try:
        store.keep(run.server, details, draft)
    except BaseException:
        _end_quietly(run, Session(run.server, details["secret"], store.path))
        raise
    run.tell(f"Logged in at {run.server} as {clean(details['name'])} ({clean(details['email'])}).")


def _end(run: Run, session: Session) -> None:
    place = Place(Kind.LOGIN, session.server, session.path)
    try:
        Client(run.server, Credential(place, session.secret)).ask("DELETE", "/sessions/current")
    except Problem as problem:
        if problem.status != 401:  # 401: the server forgot it before us
            raise


def _end_quietly(run: Run, session: Session) -> None:
    with contextlib.suppress(CommandError):
        _end(run, session)
