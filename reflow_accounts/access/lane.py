"""The hot path: `GET /me` with a good key is answered before Flask begins."""

# It is what this service does all day, and Flask's own work would be most of its price. Everything that is
# not plainly good (no key, a bad one, no subscription, another address) goes on to Flask, which decides it
# again by the same lookup. What is answered here is answered there in the same words (a test compares).

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask

from reflow_accounts.access import me
from reflow_accounts.access.bearer import UNRECORDED_BEFORE
from reflow_accounts.access.together import Together
from reflow_accounts.api_keys.folding import fold_or_log, must_fold
from reflow_accounts.api_keys.presented import Admitted, admit
from reflow_accounts.api_keys.recorder import ACCEPTED
from reflow_accounts.api_keys.wire import UseFacts, wire_of
from reflow_accounts.contract import API_PREFIX, KEY_PREFIX
from reflow_accounts.errors import Unavailable
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


class Lane:
    """A WSGI application in front of Flask's."""

    def __init__(self, app: Flask, behind: Callable[..., Iterable[bytes]], *, is_https: bool) -> None:
        self._app, self._behind = app, behind
        self._wire = wire_of(app)
        self._together = Together(self._answer, LARGEST_GROUP)
        constant = headers.constant(is_https) | {"Cache-Control": headers.NOT_KEPT}
        self._headers = [("Content-Type", me.JSON), *constant.items()]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not is_plain(environ) or UNRECORDED_BEFORE in environ:
            return self._behind(environ, start_response)
        later: Later | None = environ.get(ANSWER_LATER)
        if later:
            self._together.add(_Waiting(environ, later))
            return LATER
        (admitted,) = self._admit([environ])
        if admitted is None:
            return self._behind(environ, start_response)
        key, number = admitted
        self._fold_when_due(number)
        body = me.body_of_key(key)
        start_response("200 OK", self._headers_of(body))
        return [body]

    def _answer(self, group: list["_Waiting"]) -> None:
        for waiting, admitted in zip(group, self._admit([one.environ for one in group]), strict=True):
            if admitted is None:
                noted = {name: True for name in (UNRECORDED_BEFORE,) if name in waiting.environ}
                waiting.later.begin_again(noted)
                continue
            key, number = admitted
            body = me.body_of_key(key)
            waiting.later.send(200, self._headers_of(body), body)
            self._fold_when_due(number)

    def _admit(self, environs: list[WSGIEnvironment]) -> list[Admitted | None]:
        """Admit whom it can; the others, if the record failed all, are marked so that nobody tries again."""
        try:
            return admit([(_secret(environ), _use(environ)) for environ in environs], self._wire)
        except Unavailable as error:
            _logger.error("a use could not be recorded: %s", type(error.__cause__).__name__)
        except Exception:  # the leader of a group answers for others as well, whatever went wrong
            _logger.exception("a use could not be recorded")
        for environ in environs:
            environ[UNRECORDED_BEFORE] = True
        return [None] * len(environs)

    def _fold_when_due(self, number: int) -> None:
        if must_fold(number):
            with self._app.app_context():
                fold_or_log()

    def _headers_of(self, body: bytes) -> list[tuple[str, str]]:
        return [*self._headers, ("Content-Length", str(len(body)))]


class _Waiting(NamedTuple):
    environ: WSGIEnvironment
    later: Later


def is_plain(environ: WSGIEnvironment) -> bool:
    """Say whether this is the request that the lane is for, with something that may be a key."""
    return (
        environ["PATH_INFO"] == PATH
        and environ["REQUEST_METHOD"] == "GET"
        and not environ["QUERY_STRING"]
        and environ.get("HTTP_AUTHORIZATION", "").startswith(_KEY)
    )


def goes_later(app: Flask) -> Callable[[WSGIEnvironment], bool]:
    """Return what says of a request whether it is answered with others, later: where that pays."""
    return is_plain if wire_of(app).goes_together else lambda _: False


def _secret(environ: WSGIEnvironment) -> str:
    secret: str = environ["HTTP_AUTHORIZATION"][len(_BEARER) :]
    return secret


def _use(environ: WSGIEnvironment) -> UseFacts:
    address = environ.get("REMOTE_ADDR", "")[:LONGEST_ADDRESS]
    user_agent = environ.get("HTTP_USER_AGENT", "")[:LONGEST_USER_AGENT]
    return UseFacts(_NO_KEY_YET, now(), "GET", PATH, 200, ACCEPTED, address, user_agent)
