"""The hot path: `GET /me` and `GET /authorize` with a good key are answered before Flask begins."""

# It is what this service does all day, and Flask's own work would be most of its price. Everything that is
# not plainly good (no key, a bad one, no subscription, no rights, another address) goes on to Flask, which
# decides it again by the same lookup. What is answered here is answered there in the same words (a test
# compares).

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask

from reflow_accounts.access import authorizing, forwarded, me
from reflow_accounts.access.bearer import UNRECORDED_BEFORE
from reflow_accounts.access.together import Together
from reflow_accounts.api_keys.folding import fold_or_log, must_fold
from reflow_accounts.api_keys.presented import Admitted, PresentedKey, admit, present
from reflow_accounts.api_keys.recorder import ACCEPTED
from reflow_accounts.api_keys.wire import UseFacts, wire_of
from reflow_accounts.contract import API_PREFIX, KEY_PREFIX
from reflow_accounts.errors import DomainError, Unavailable
from reflow_accounts.extensions import now
from reflow_accounts.turns import ANSWER_LATER, LATER, Later
from reflow_accounts.web import headers
from reflow_accounts.web.client import LONGEST_ADDRESS, LONGEST_USER_AGENT

PATH = f"{API_PREFIX}/me"
_BEARER = "Bearer "
_KEY = _BEARER + KEY_PREFIX
_NO_KEY_YET = 0
# More would keep the first of them waiting for the last.
LARGEST_GROUP = 32

_logger = logging.getLogger(__name__)

# The number of the use that was recorded for it, status line, headers, body.
_Answer = tuple[int, str, dict[str, str], bytes]


class Lane:
    """A WSGI application in front of Flask's."""

    def __init__(self, app: Flask, behind: Callable[..., Iterable[bytes]], *, is_https: bool) -> None:
        self._app, self._behind = app, behind
        self._wire = wire_of(app)
        self._together = Together(self._tell_all, LARGEST_GROUP)
        constant = headers.constant(is_https) | {"Cache-Control": headers.NOT_KEPT}
        self._headers = list(constant.items())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        find = None if UNRECORDED_BEFORE in environ else self._answer_to(environ)
        if find is None:
            return self._behind(environ, start_response)
        later: Later | None = environ.get(ANSWER_LATER)
        if later:
            self._together.add(_Waiting(environ, later))
            return LATER
        found = find(environ)
        if found is None:
            return self._behind(environ, start_response)
        number, status, own_headers, body = found
        self._fold_when_due(number)
        start_response(status, [*own_headers.items(), *self._headers])
        return [body]

    def _answer_to(self, environ: WSGIEnvironment) -> Callable[[WSGIEnvironment], _Answer | None] | None:
        if asks_who_i_am(environ):
            return self._tell
        return (
            self._authorize if _presents_key(environ) and environ["PATH_INFO"] == authorizing.PATH else None
        )

    def _tell(self, environ: WSGIEnvironment) -> _Answer | None:
        """Answer `GET /me`: looked up and recorded in one go."""
        (admitted,) = self._admit([environ])
        return admitted and _told(*admitted)

    def _tell_all(self, group: list["_Waiting"]) -> None:
        """Answer `GET /me` for all who wait; whom it cannot answer begins again, and goes on to Flask."""
        for waiting, admitted in zip(group, self._admit([one.environ for one in group]), strict=True):
            if admitted is None:
                noted = {name: True for name in (UNRECORDED_BEFORE,) if name in waiting.environ}
                waiting.later.begin_again(noted)
                continue
            number, _, own_headers, body = _told(*admitted)
            waiting.later.send(200, [*own_headers.items(), *self._headers], body)
            self._fold_when_due(number)

    def _authorize(self, environ: WSGIEnvironment) -> _Answer | None:
        """Answer `GET /authorize`: what is recorded depends on what was looked up."""
        try:
            key = present(_secret(environ), self._wire)
            team = authorizing.grant(environ["QUERY_STRING"], key.teams)
            use = _use(environ)._replace(
                key_id=key.id,
                method=forwarded.method_of(environ) or "GET",
                path=forwarded.path_of(environ) or authorizing.PATH,
                status=204,
            )
            number = self._wire.append(use)
        except Unavailable as error:
            _note_unrecorded([environ], error)
            return None
        except DomainError:
            return None
        return number, "204 NO CONTENT", authorizing.headers_of(key.user_public_id, team, key.public_id), b""

    def _admit(self, environs: list[WSGIEnvironment]) -> list[Admitted | None]:
        """Admit whom it can; when the record failed, all are marked, so that nobody tries again."""
        try:
            return admit([(_secret(environ), _use(environ)) for environ in environs], self._wire)
        except Exception as error:  # who leads a group answers for others as well, whatever went wrong
            _note_unrecorded(environs, error)
        return [None] * len(environs)

    def _fold_when_due(self, number: int) -> None:
        if must_fold(number):
            with self._app.app_context():
                fold_or_log()


class _Waiting(NamedTuple):
    environ: WSGIEnvironment
    later: Later


def goes_later(app: Flask) -> Callable[[WSGIEnvironment], bool]:
    """Return what says of a request whether it is answered with others, later: where that pays."""
    return asks_who_i_am if wire_of(app).goes_together else lambda _: False


def asks_who_i_am(environ: WSGIEnvironment) -> bool:
    """Say whether this is `GET /me`, with something that may be a key."""
    return environ["PATH_INFO"] == PATH and not environ["QUERY_STRING"] and _presents_key(environ)


def _presents_key(environ: WSGIEnvironment) -> bool:
    authorization: str = environ.get("HTTP_AUTHORIZATION", "")
    return environ["REQUEST_METHOD"] == "GET" and authorization.startswith(_KEY)


def _secret(environ: WSGIEnvironment) -> str:
    secret: str = environ["HTTP_AUTHORIZATION"][len(_BEARER) :]
    return secret


def _told(key: PresentedKey, number: int) -> _Answer:
    body = me.body_of_key(key)
    return number, "200 OK", {"Content-Type": me.JSON, "Content-Length": str(len(body))}, body


def _note_unrecorded(environs: list[WSGIEnvironment], error: Exception) -> None:
    known = isinstance(error, Unavailable)
    _logger.error("a use could not be recorded: %s", type(error.__cause__ if known else error).__name__)
    for environ in environs:
        environ[UNRECORDED_BEFORE] = True


def _use(environ: WSGIEnvironment) -> UseFacts:
    address = environ.get("REMOTE_ADDR", "")[:LONGEST_ADDRESS]
    user_agent = environ.get("HTTP_USER_AGENT", "")[:LONGEST_USER_AGENT]
    return UseFacts(_NO_KEY_YET, now(), "GET", PATH, 200, ACCEPTED, address, user_agent)
