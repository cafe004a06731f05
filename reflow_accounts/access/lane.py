"""The hot path: `GET /me` and `GET /authorize` with a good key are answered before Flask begins."""

# It is what this service does all day, and Flask's own work would be most of its price. Everything that is
# not plainly good (no key, a bad one, no subscription, no rights, another address) goes on to Flask, which
# decides it again by the same lookup. What is answered here is answered there in the same words (a test
# compares).

import logging
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask

from reflow_accounts.access import authorizing, forwarded, me
from reflow_accounts.access.bearer import UNRECORDED_BEFORE
from reflow_accounts.api_keys.folding import fold_or_log, must_fold
from reflow_accounts.api_keys.presented import admit, present
from reflow_accounts.api_keys.recorder import ACCEPTED
from reflow_accounts.api_keys.wire import UseFacts, wire_of
from reflow_accounts.contract import API_PREFIX, KEY_PREFIX
from reflow_accounts.errors import DomainError, Unavailable
from reflow_accounts.extensions import now
from reflow_accounts.web import headers
from reflow_accounts.web.client import LONGEST_ADDRESS, LONGEST_USER_AGENT

PATH = f"{API_PREFIX}/me"
_BEARER = "Bearer "
_KEY = _BEARER + KEY_PREFIX
_NO_KEY_YET = 0

_logger = logging.getLogger(__name__)

# The number of the use that was recorded for it, status line, headers, body.
_Answer = tuple[int, str, dict[str, str], bytes]


class Lane:
    """A WSGI application in front of Flask's."""

    def __init__(self, app: Flask, behind: Callable[..., Iterable[bytes]], *, is_https: bool) -> None:
        self._app, self._behind = app, behind
        self._wire = wire_of(app)
        constant = headers.constant(is_https) | {"Cache-Control": headers.NOT_KEPT}
        self._headers = list(constant.items())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        find = self._answer_to(environ)
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if find is None or not authorization.startswith(_KEY):
            return self._behind(environ, start_response)
        try:
            found = find(authorization[len(_BEARER) :], environ)
        except Unavailable as error:
            _logger.error("a use could not be recorded: %s", type(error.__cause__).__name__)
            environ[UNRECORDED_BEFORE] = True
            found = None
        if found is None:
            return self._behind(environ, start_response)
        number, status, own_headers, body = found
        if must_fold(number):
            with self._app.app_context():
                fold_or_log()
        start_response(status, [*own_headers.items(), *self._headers])
        return [body]

    def _answer_to(self, environ: WSGIEnvironment) -> Callable[[str, WSGIEnvironment], _Answer | None] | None:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "GET":
            return None
        if path == PATH and not environ["QUERY_STRING"]:
            return self._tell
        return self._authorize if path == authorizing.PATH else None

    def _tell(self, secret: str, environ: WSGIEnvironment) -> _Answer | None:
        """Answer `GET /me`: looked up and recorded in one go."""
        admitted = admit(secret, _use(environ), self._wire)
        if admitted is None:
            return None
        key, number = admitted
        body = me.body_of_key(key)
        return number, "200 OK", {"Content-Type": me.JSON, "Content-Length": str(len(body))}, body

    def _authorize(self, secret: str, environ: WSGIEnvironment) -> _Answer | None:
        """Answer `GET /authorize`: what is recorded depends on what was looked up."""
        try:
            key = present(secret, self._wire)
            team = authorizing.grant(environ["QUERY_STRING"], key.teams)
        except DomainError:
            return None
        use = _use(environ)._replace(
            key_id=key.id,
            method=forwarded.method_of(environ) or "GET",
            path=forwarded.path_of(environ) or authorizing.PATH,
            status=204,
        )
        number = self._wire.append(use)
        return number, "204 NO CONTENT", authorizing.headers_of(key.user_public_id, team, key.public_id), b""


def _use(environ: WSGIEnvironment) -> UseFacts:
    address = environ.get("REMOTE_ADDR", "")[:LONGEST_ADDRESS]
    user_agent = environ.get("HTTP_USER_AGENT", "")[:LONGEST_USER_AGENT]
    return UseFacts(_NO_KEY_YET, now(), "GET", PATH, 200, ACCEPTED, address, user_agent)
