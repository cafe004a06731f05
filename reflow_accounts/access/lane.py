"""The hot path: `GET /me` with a good key is answered before Flask begins."""

# It is what this service does all day, and Flask's own work would be most of its price. Everything that is
# not plainly good (no key, a bad one, no subscription, another address) goes on to Flask, which decides it
# again by the same lookup. What is answered here is answered there in the same words (a test compares).

import logging
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask

from reflow_accounts.access import me
from reflow_accounts.access.bearer import UNRECORDED_BEFORE
from reflow_accounts.api_keys.folding import fold_or_log, must_fold
from reflow_accounts.api_keys.presented import admit
from reflow_accounts.api_keys.recorder import ACCEPTED
from reflow_accounts.api_keys.wire import UseFacts, wire_of
from reflow_accounts.contract import API_PREFIX, KEY_PREFIX
from reflow_accounts.errors import Unavailable
from reflow_accounts.extensions import now
from reflow_accounts.web import headers
from reflow_accounts.web.client import LONGEST_ADDRESS, LONGEST_USER_AGENT

PATH = f"{API_PREFIX}/me"
_BEARER = "Bearer "
_KEY = _BEARER + KEY_PREFIX
_NO_KEY_YET = 0

_logger = logging.getLogger(__name__)


class Lane:
    """A WSGI application in front of Flask's."""

    def __init__(self, app: Flask, behind: Callable[..., Iterable[bytes]], *, is_https: bool) -> None:
        self._app, self._behind = app, behind
        self._wire = wire_of(app)
        constant = headers.constant(is_https) | {"Cache-Control": headers.NOT_KEPT}
        self._headers = [("Content-Type", me.JSON), *constant.items()]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if (
            environ["PATH_INFO"] == PATH
            and environ["REQUEST_METHOD"] == "GET"
            and not environ["QUERY_STRING"]
        ):
            authorization = environ.get("HTTP_AUTHORIZATION", "")
            if authorization.startswith(_KEY):
                return self._admit(authorization[len(_BEARER) :], environ, start_response)
        return self._behind(environ, start_response)

    def _admit(self, secret: str, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        try:
            admitted = admit(secret, _use(environ), self._wire)
        except Unavailable as error:
            _logger.error("a use could not be recorded: %s", type(error.__cause__).__name__)
            environ[UNRECORDED_BEFORE] = True
            admitted = None
        if admitted is None:
            return self._behind(environ, start)
        key, number = admitted
        if must_fold(number):
            with self._app.app_context():
                fold_or_log()
        body = me.body_of_key(key)
        start("200 OK", [*self._headers, ("Content-Length", str(len(body)))])
        return [body]


def _use(environ: WSGIEnvironment) -> UseFacts:
    address = environ.get("REMOTE_ADDR", "")[:LONGEST_ADDRESS]
    user_agent = environ.get("HTTP_USER_AGENT", "")[:LONGEST_USER_AGENT]
    return UseFacts(_NO_KEY_YET, now(), "GET", PATH, 200, ACCEPTED, address, user_agent)
