"""Logging in, however the session is begun, and logging out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import Credential, Kind, Place
from reflow_accounts.cli.errors import CommandError, Problem, Unreachable, UsageFault
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.login.session_store import Session, SessionStore, is_session_secret
from reflow_accounts.cli.output import say
from reflow_accounts.cli.text import clean


def log_in(context: Context, begin: Callable[[Context], dict[str, Any]]) -> dict[str, Any]:
    """Log in at the run's server and remember the session and the server.

    `begin` gets a session: it returns the API's words and the `secret`. Returns them without the secret.
    Raises CommandError, and what `begin` raises; then nothing is kept here, and the session there is ended,
    or else it is said that one may be left.
    """
    store = context.store_for_login()
    previous = context.session
    # What cannot be kept is said before somebody types a password or walks to a browser.
    store.prepare().discard()
    answer = _whole(context, begin(context))
    _keep(context, store, answer)
    if previous:
        _end_or_say(context, previous, "The login before this one")
    return {name: value for name, value in answer.items() if name != "secret"}


def log_in_by_browser(context: Context) -> dict[str, Any]:
    """Log in through a browser, as `log_in` does. Raises UsageFault where nobody is there to read the code."""
    from reflow_accounts.cli.login.device_flow import session_by_browser

    if not context.may_ask:
        raise UsageFault(
            "A login needs a terminal and a person. In CI use an API key (reflow --help says where it is looked "
            "for); in a script use --with-password --email EMAIL and give the password on stdin."
        )
    return log_in(context, session_by_browser)


def log_out(context: Context) -> bool:
    """End the session at the run's server and forget it here in every case.

    Returns whether there was one. Raises CommandError when the server could not be told.
    """
    session = context.session
    if session is None:
        return False
    try:
        _end(context, session)
    except CommandError as fault:
        context.store_for_login().forget(session.server)
        raise CommandError(
            *fault.lines,
            "The login was removed here, but the server may still know it: end it in Account > Security.",
            exit_code=fault.exit_code,
        ) from None
    context.store_for_login().forget(session.server)
    return True


def _whole(context: Context, answer: dict[str, Any]) -> dict[str, Any]:
    if not is_session_secret(answer.get("secret")):
        raise Unreachable(f"{context.server} answered without a session, so it is not Reflow that answers.")
    return answer


def _keep(context: Context, store: SessionStore, answer: dict[str, Any]) -> None:
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
        draft = store.prepare()
        try:
            store.keep(context.server, details, draft)
        finally:
            draft.discard()
    except BaseException:
        _end_or_say(context, Session(context.server, details["secret"], store.path), "The session")
        raise
    context.tell(f"Logged in at {context.server} as {clean(details['name'])} ({clean(details['email'])}).")


def _end(context: Context, session: Session) -> None:
    place = Place(Kind.LOGIN, session.server, session.path)
    try:
        Client(context.server, Credential(place, session.secret)).ask("DELETE", "/sessions/current")
    except Problem as problem:
        if problem.status != 401:  # 401: the server forgot it before us
            raise


def _end_or_say(context: Context, session: Session, what: str) -> None:
    try:
        _end(context, session)
    except CommandError:
        say(f"{what} could not be ended at {session.server}: end it in Account > Security.")
