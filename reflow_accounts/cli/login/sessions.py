"""Starts, stores and ends sessions; login with email and password or with a token."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from reflow_accounts.cli.credentials import STDIN, Credential, Environment, Kind, Source, credential_of
from reflow_accounts.cli.errors import ApiError, CommandError, NotSignedIn, Unreachable, UsageFault
from reflow_accounts.cli.http.client import ApiClient, as_object
from reflow_accounts.cli.login.session_store import Session, SessionStore, is_session_secret
from reflow_accounts.cli.output import is_terminal, say, tell
from reflow_accounts.cli.text import clean
from reflow_accounts.contract import is_well_formed

LOST_SESSION = "If a session was started, end it in Account > Security."

LONGEST_PASSWORD = 64 * 1024  # bytes of one line on stdin; the limit of the server is lower


def log_in(
    server: str, store: SessionStore, begin: Callable[[], dict[str, Any]], *, accepts_key: bool = False
) -> dict[str, Any]:
    """Start a session with `begin`, store it with its server, and end the previous one at this server.

    `begin` returns the API's session object with its `secret`, or with an API key as `secret` if `accepts_key`.
    Returns that object without the secret. Raises CommandError and the errors of `begin`; then nothing is
    stored, and the new session is ended or the message says that one may be left.
    """
    # Fail before the user types a password or opens a browser if the login cannot be stored.
    store.session_for(server)
    store.prepare().discard()
    session = begin()
    secret = session.get("secret")
    if not is_session_secret(secret) and not (accepts_key and is_well_formed(str(secret))):
        raise Unreachable(f"{server} answered without a session, so it is not a Reflow server.")
    # The one that is stored now: another login may have ended while this one waited.
    previous = _store(server, store, session)
    if previous and previous.secret != session["secret"]:
        _try_to_end(previous, "The login before this one")
    return {name: value for name, value in session.items() if name != "secret"}


def log_in_with_token(environment: Environment, store: SessionStore) -> dict[str, Any]:
    """Store the API key or login secret on stdin as the login, and return the session as `log_in` does.

    Raises NotSignedIn when stdin has no secret or the server refuses it, and UsageFault when the server is
    unknown.
    """
    source = Source(Kind.TOKEN, "stdin")
    credential = credential_of(source, environment._replace(key_file=STDIN), accepts_session=True)

    def begin() -> dict[str, Any]:
        me = ApiClient(credential.server, credential).ask_object("GET", "/me")
        by = as_object(me.get("authenticated_by"))
        return {"id": by.get("id"), "user": me.get("user"), "expires_at": None, "secret": credential.secret}

    return log_in(credential.server, store, begin, accepts_key=True)


def log_out(server: str, store: SessionStore) -> bool:
    """End the session at `server`, and remove it here even when that fails. Return whether there was one.

    Raises CommandError when the request fails.
    """
    session = store.session_for(server)
    if session is None:
        return False
    try:
        _end(session)
    except CommandError as fault:
        store.forget(server)
        raise CommandError(
            *fault.lines,
            "The login was removed here, but the server may still know it: end it in Account > Security.",
            exit_code=fault.exit_code,
        ) from None
    store.forget(server)
    return True


@contextmanager
def session_may_begin() -> Iterator[None]:
    """Add LOST_SESSION to the message when the request in this block was sent but got no answer."""
    try:
        yield
    except Unreachable as fault:
        raise with_lost_session(fault) from None
    except KeyboardInterrupt:
        say(LOST_SESSION)
        raise


def with_lost_session(fault: Unreachable) -> Unreachable:
    """Return `fault`, with LOST_SESSION unless the request was not sent."""
    return Unreachable(*fault.lines, LOST_SESSION) if fault.was_sent else fault


def _store(server: str, store: SessionStore, session: dict[str, Any]) -> Session | None:
    """Store a new session and return the one that it replaces; end the new one when that fails."""
    user = as_object(session.get("user"))
    details = {
        "id": session.get("id"),
        "secret": session["secret"],
        "email": user.get("email"),
        "name": user.get("name"),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "expires_at": session.get("expires_at"),
    }
    try:
        file = store.prepare()
        try:
            replaced = store.keep(server, details, file)
        finally:
            file.discard()
    except BaseException:
        _try_to_end(Session(server, details["secret"], store.path), "The session")
        raise
    who = clean(details["email"] or "service account")
    tell(f"Logged in at {server} as {clean(details['name'])} ({who}).")
    return replaced


def _end(session: Session) -> None:
    if not is_session_secret(session.secret):  # an API key stored by --with-token stays valid
        return
    source = Source(Kind.LOGIN, session.server, session.path)
    try:
        ApiClient(session.server, Credential(source, session.secret, session.server)).ask(
            "DELETE", "/sessions/current"
        )
    except ApiError as problem:
        if problem.status != 401:  # 401: the session has ended already
            raise


def _try_to_end(session: Session, what: str) -> None:
    try:
        _end(session)
    except CommandError:
        say(f"{what} could not be ended at {session.server}: end it in Account > Security.")


def log_in_with_password(
    server: str, store: SessionStore, email: str | None, otp: str | None, *, may_ask: bool
) -> dict[str, Any]:
    """Log in with a password and return the session as `log_in` does.

    With `may_ask`, prompt for what is missing. Otherwise the password is one line on stdin, and `otp` is the
    code if two-factor authentication is on. Raises UsageFault, NotSignedIn and the errors of `log_in`.
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
        raise UsageFault("The password prompt needs a terminal: do not redirect stderr or set CI.")
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
            return ApiClient(server).ask_object("POST", "/sessions", body=payload)
    except ApiError as problem:
        # Without `otp_required` the server says what is wrong: the password, or that it was changed meanwhile.
        if problem.status != 401 or problem.document.get("otp_required") is not True:
            raise
        if otp is not None:
            raise NotSignedIn("The authentication code is not correct.") from None
    if not may_ask:
        raise NotSignedIn(
            "Two-factor authentication is on. Give the code of your authenticator app with --otp."
        )
    code = str(click.prompt("Authentication code", err=True)).strip()
    return _session(server, email, password, code, may_ask)
