"""The API door: whose secret is this, and one commit for the answer's work and the record of its use."""

import logging

from flask import Response, current_app, g, request

from reflow_accounts.access import authorizing, forwarded
from reflow_accounts.api_keys import recorder
from reflow_accounts.api_keys.folding import fold_or_log, must_fold
from reflow_accounts.api_keys.presented import PresentedKey, present
from reflow_accounts.api_keys.wire import UseFacts, wire
from reflow_accounts.contract import SESSION_PREFIX, Code, is_well_formed
from reflow_accounts.errors import SubscriptionInactive, Unauthenticated, Unavailable
from reflow_accounts.extensions import db, now
from reflow_accounts.identity.caller import Caller, set_caller
from reflow_accounts.identity.models import SessionKind
from reflow_accounts.identity.service import find_session, touch
from reflow_accounts.web.client import LONGEST_METHOD, client, path
from reflow_accounts.web.forgery import SAFE_METHODS
from reflow_accounts.web.problems import is_api, problem

# Set by what stands in front of Flask when it could not record the use: to try again might record it twice.
UNRECORDED_BEFORE = "reflow.unrecorded"

_DOCUMENT = "api-docs.openapi_json"
_MISSING = "Send an API key in the header Authorization: Bearer <key>."
_SESSION_ENDED = "This session has ended. Log in again."
_NO_SUBSCRIPTION = (
    "No team of this key's user has an active AWS Marketplace subscription. Contact support; "
    "the key works again when the subscription does."
)
UNRECORDED = "The request could not be recorded. Nothing was changed. Try again."
_logger = logging.getLogger(__name__)


def guard() -> None:
    """Let in who presents a secret that is good now (RFC 6750). Cookies are not looked at.

    It guards by address and not by blueprint, so that it also stands before addresses where nothing is:
    a key that is presented there has been used.
    """
    if not is_api():
        return
    if request.environ.get(UNRECORDED_BEFORE):
        raise Unavailable(UNRECORDED)
    secret = _bearer()
    if _is_open_to_all():
        _note_use_of(secret)
    else:
        set_caller(_caller_by(secret))


def settle(response: Response) -> Response:
    """Record the use of the key and commit what the view did, before the answer is sent.

    What changes something is committed together with its use. A safe request, and an answer of 400 and
    above, which did nothing, has only its use: that is appended by itself. When it cannot be recorded
    the answer is 503 and nothing has happened: no use is answered and not recorded.
    """
    if not is_api():
        return response
    key_id = g.pop("used_key_id", None)
    use = _use(key_id, response.status_code) if key_id is not None else None
    try:
        if response.status_code >= 400:
            db.session.rollback()
        if request.method in SAFE_METHODS or response.status_code >= 400:
            _append(use)
        elif use:
            recorder.record(use)
        db.session.commit()
    except Exception as error:  # whatever kept the use from being recorded, the answer must not go out
        db.session.rollback()
        _logger.error("a use could not be recorded: %s", type(error).__name__)
        return problem(503, Code.UNAVAILABLE, UNRECORDED, Unavailable.title)
    return response


def _append(use: UseFacts | None) -> None:
    if use and must_fold(wire().append(use)):
        fold_or_log()


def _caller_by(secret: str | None) -> Caller:
    if not secret:
        raise Unauthenticated(Code.MISSING_CREDENTIALS, _MISSING)
    if secret.startswith(SESSION_PREFIX) and is_well_formed(secret):
        session = find_session(secret, SessionKind.COMMAND)
        if session is None:
            raise Unauthenticated(Code.UNKNOWN_KEY, _SESSION_ENDED)
        if touch(session):
            # By itself: what counts tries must not wait for a request that writes already.
            db.session.commit()
        return Caller(session.user_id, session=session)
    key = _used(present(secret, wire()))
    if not key.has_active_subscription:
        raise SubscriptionInactive(_NO_SUBSCRIPTION)
    return Caller(key.user_id, key=key)


def _note_use_of(secret: str | None) -> None:
    """Where no credential is needed a good key counts as used, and a bad one does not matter."""
    try:
        if secret:
            _used(present(secret, wire()))
    except Unauthenticated:
        pass


def _used(key: PresentedKey) -> PresentedKey:
    """Note that a valid key was presented: from here on this is a use, whatever the answer will be."""
    g.used_key_id = key.id
    return key


def _use(key_id: int, status: int) -> UseFacts:
    outcome = recorder.ACCEPTED if status < 400 else str(g.get("problem_code", Code.INTERNAL_ERROR))
    who, (method, where) = client(), _described()
    return UseFacts(key_id, now(), method, where, status, outcome, who.address, who.user_agent)


def _described() -> tuple[str, str]:
    """Return method and path of the request, or of the one that a proxy asks about."""
    method, where = request.method[:LONGEST_METHOD], path()
    if request.path != authorizing.PATH:
        return method, where
    environ = request.environ
    return forwarded.method_of(environ) or method, forwarded.path_of(environ) or where


def _bearer() -> str | None:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _is_open_to_all() -> bool:
    endpoint = request.endpoint
    if endpoint is None or request.routing_exception is not None:
        return False
    return endpoint == _DOCUMENT or getattr(current_app.view_functions[endpoint], "is_open_to_all", False)
