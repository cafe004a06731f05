"""Logging in, however the session is begun, and logging out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from reflow_accounts.cli.credentials import Credential, Kind, Place
from reflow_accounts.cli.errors import CommandError, Problem, Unreachable, UsageFault
from reflow_accounts.cli.line.client import Client
from reflow_accounts.cli.login.session_store import Session, SessionStore, is_session_secret
from reflow_accounts.cli.output import say
from reflow_accounts.cli.run import Run
from reflow_accounts.cli.text import clean


def log_in(run: Run, begin: Callable[[Run], dict[str, Any]]) -> dict[str, Any]:
    """Log in at the run's server and remember the session and the server.

    `begin` gets a session: it returns the API's words and the `secret`. Returns them without the secret.
    Raises CommandError, and what `begin` raises; then nothing is kept here, and the session there is ended,
    or else it is said that one may be left.
    """
    store = run.store_for_login()
    previous = run.session
    # What cannot be kept is said before somebody types a password or walks to a browser.
    store.prepare().discard()
    answer = _whole(run, begin(run))
    _keep(run, store, answer)
    if previous:
        _end_or_say(run, previous, "The login before this one")
    return {name: value for name, value in answer.items() if name != "secret"}


def log_in_by_browser(run: Run) -> dict[str, Any]:
    """Log in through a browser, as `log_in` does. Raises UsageFault where nobody is there to read the code."""
    from reflow_accounts.cli.login.by_browser import session_by_browser

    if not run.may_ask:
        raise UsageFault(
            "A login needs a terminal and a person. In CI use an API key (reflow --help says where it is looked "
            "for); in a script use --with-password --email EMAIL and give the password on stdin."
        )
    return log_in(run, session_by_browser)


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


def _whole(run: Run, answer: dict[str, Any]) -> dict[str, Any]:
    if not is_session_secret(answer.get("secret")):
        raise Unreachable(f"{run.server} answered without a session, so it is not Reflow that answers.")
    return answer


def _keep(run: Run, store: SessionStore, answer: dict[str, Any]) -> None:
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
            store.keep(run.server, details, draft)
        finally:
            draft.discard()
    except BaseException:
        _end_or_say(run, Session(run.server, details["secret"], store.path), "The session")
        raise
    run.tell(f"Logged in at {run.server} as {clean(details['name'])} ({clean(details['email'])}).")


def _end(run: Run, session: Session) -> None:
    place = Place(Kind.LOGIN, session.server, session.path)
    try:
        Client(run.server, Credential(place, session.secret)).ask("DELETE", "/sessions/current")
    except Problem as problem:
        if problem.status != 401:  # 401: the server forgot it before us
            raise


def _end_or_say(run: Run, session: Session, what: str) -> None:
    try:
        _end(run, session)
    except CommandError:
        say(f"{what} could not be ended at {session.server}: end it in Account > Security.")
