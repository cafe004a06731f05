"""Authenticates API requests by key or session, and records each use of a key in the commit of its response."""

import logging

from flask import Response, current_app, g, request
from sqlalchemy import LargeBinary, bindparam, text

from reflow_accounts.api_auth import forward_auth, refused_keys
from reflow_accounts.api_auth.store import LOOK_UP, LookupRow
from reflow_accounts.api_auth.verify import PresentedKey, is_key, verify
from reflow_accounts.api_keys.models import ACCEPTED
from reflow_accounts.api_keys.refused_requests import record_refusal
from reflow_accounts.api_keys.rules import warning_headers
from reflow_accounts.api_keys.usage.rollup import NewUse, is_roll_up_due, record, roll_up_or_log
from reflow_accounts.auth.current_user import Caller, set_caller
from reflow_accounts.auth.login import find_session, touch
from reflow_accounts.auth.models import SessionKind
from reflow_accounts.auth.secrets import digest_of
from reflow_accounts.contract import SESSION_PREFIX, Code, is_well_formed
from reflow_accounts.database import UTCDateTime, db, now
from reflow_accounts.database_errors import describe
from reflow_accounts.errors import SubscriptionInactive, Unauthenticated, Unavailable
from reflow_accounts.web.allowed_hosts import AUTHORIZE
from reflow_accounts.web.error_handlers import is_api, problem
from reflow_accounts.web.request_info import LONGEST_METHOD, client, path

_DOCUMENT = "api-docs.openapi_json"
_MISSING = "Send an API key in the header Authorization: Bearer <key>."
_NOT_BEARER = f"The Authorization header does not begin with Bearer and a space. {_MISSING}"
_NOT_ASCII = "The Authorization header has characters that no API key has. Copy the key again."
_QUOTED = "The API key is in quotation marks. Send it without them."
_HALF_QUOTED = "The API key {}. Send it without quotation marks."
_QUOTES = "'\"`"
_SPACED = "The Authorization header has more than Bearer and an API key. Send one key, without spaces."
_SESSION_ENDED = "This session has ended. Log in again."
_NO_SUBSCRIPTION = (
    "No team of this key's user has an active AWS Marketplace subscription. Contact support; "
    "the key works again when the subscription does."
)
_NO_TEAM = (
    "This key's user is in no team, and API keys work for members of teams only. Ask an Admin of the team to invite "
    "the user; then the key works again."
)
_UNRECORDED = "The request could not be recorded. Check whether it changed anything, then try again."
_LOOK_UP = text(LOOK_UP.format(":digest", ":now")).bindparams(
    bindparam("digest", type_=LargeBinary), bindparam("now", type_=UTCDateTime)
)
_logger = logging.getLogger(__name__)


def authenticate_request() -> None:
    """Authenticate a request by its bearer secret (RFC 6750). Ignores cookies.

    Depends on the path and not on the blueprint, so that it also applies to unknown routes: a request there with a
    key is a use of it.
    """
    if not is_api():
        return
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    secret = credential.strip() if scheme.lower() == "bearer" else None
    if _is_open_to_all():
        _remember_use_of(secret)
    else:
        set_caller(_caller_by(secret))


def record_use(response: Response) -> Response:
    """Record the use of the key and commit the view's changes, before the response is sent.

    A status of 400 and above rolls back the view's changes and only records the use. If recording fails, nothing
    changes and the status is 503, so that every answered use is recorded.
    """
    if not is_api():
        return response
    key: PresentedKey | None = g.pop("used_key", None)
    key_id = key.facts.key_id if key else None
    if key:
        response.headers.update(warning_headers(key.expires_at))
    try:
        if response.status_code >= 400:
            db.session.rollback()
        number = record(_use(key_id, response.status_code)) if key_id is not None else None
        if key and not key.has_active_subscription:
            record_refusal(
                refused_keys.refusal(key.facts.key_id, Code.SUBSCRIPTION_INACTIVE, *_method_and_path())
            )
        db.session.commit()
    except Exception as error:  # the response must not be sent after any error
        db.session.rollback()
        _logger.error("a use could not be recorded: %s", describe(error))
        return problem(503, Code.UNAVAILABLE, _UNRECORDED, Unavailable.title)
    refused_keys.record_remembered(response, *_method_and_path())
    if number and is_roll_up_due(number):
        roll_up_or_log()
    return response


def authenticate(secret: str) -> PresentedKey:
    """Return the valid key with this secret. Raises Unauthenticated.

    Refuses a wrong checksum without a query. Only a caller with the whole secret learns that
    the key was revoked or has expired.
    """
    if not is_key(secret):
        raise Unauthenticated(Code.MALFORMED_KEY, "This is not an API key: it is incomplete or mistyped.")
    parameters = {"digest": digest_of(secret), "now": now()}
    rows = [LookupRow._make(row) for row in db.session.execute(_LOOK_UP, parameters)]
    try:
        return verify(rows)
    except Unauthenticated as error:
        refused_keys.remember(secret, rows[0].key_id if rows else None, error.reason)
        raise


def _caller_by(secret: str | None) -> Caller:
    if not secret:
        raise _missing_secret()
    if fault := _fault_of(secret):
        raise Unauthenticated(Code.MALFORMED_KEY, fault)
    if secret.startswith(SESSION_PREFIX) and is_well_formed(secret):
        session = find_session(secret, SessionKind.COMMAND)
        if session is None:
            raise Unauthenticated(Code.UNKNOWN_KEY, _SESSION_ENDED)
        if touch(session):
            # In a separate transaction: a rate limit must not wait for a request that writes.
            db.session.commit()
        return Caller(session.user_id, session=session)
    key = _set_used_key(authenticate(secret))
    if not key.has_active_subscription:
        # `has_team` decides what `reflow doctor` advises.
        raise SubscriptionInactive(_NO_SUBSCRIPTION if key.teams else _NO_TEAM, has_team=bool(key.teams))
    return Caller(key.facts.user_id, key=key)


def _remember_use_of(secret: str | None) -> None:
    """Record the use of a valid key at a public endpoint; ignore an invalid one."""
    try:
        if secret:
            _set_used_key(authenticate(secret))
    except Unauthenticated:
        g.pop("refused_key", None)


def _set_used_key(key: PresentedKey) -> PresentedKey:
    """Store the valid key of the request: it is a use, whatever its response."""
    g.used_key = key
    return key


def _use(key_id: int, status: int) -> NewUse:
    outcome = ACCEPTED if status < 400 else str(g.get("problem_code", Code.INTERNAL_ERROR))
    who, (method, where) = client(), _method_and_path()
    return NewUse(key_id, now(), method, where, status, outcome, who.address, who.user_agent)


def _method_and_path() -> tuple[str, str]:
    """Return method and path of the request, or of the original one behind a proxy."""
    method, where = request.method[:LONGEST_METHOD], path()
    if request.path != AUTHORIZE:
        return method, where
    headers = request.headers
    return (
        forward_auth.original_method(headers.get("X-Original-Method", "")) or method,
        forward_auth.original_path(headers.get("X-Original-URI", "")) or where,
    )


def _fault_of(secret: str) -> str | None:
    """Return a sentence about characters around an API key that do not belong there, or None."""
    if not secret.isascii():
        return _NOT_ASCII
    first, last = secret[0], secret[-1]
    if first in _QUOTES and first == last:
        return _QUOTED
    marks = [f"{verb} with {mark}" for verb, mark in (("begins", first), ("ends", last)) if mark in _QUOTES]
    if marks:
        return _HALF_QUOTED.format(" and ".join(marks))
    return _SPACED if len(secret.split()) > 1 else None


def _missing_secret() -> Unauthenticated:
    """Return the error for a request without a bearer secret, with what the header has instead."""
    header = request.headers.get("Authorization", "").strip()
    if not header.isascii():
        return Unauthenticated(Code.MALFORMED_KEY, _NOT_ASCII)
    is_bearer = header.lower() in ("", "bearer")
    return Unauthenticated(Code.MISSING_CREDENTIALS, _MISSING if is_bearer else _NOT_BEARER)


def _is_open_to_all() -> bool:
    endpoint = request.endpoint
    if endpoint is None or request.routing_exception is not None:
        return False
    return endpoint == _DOCUMENT or getattr(current_app.view_functions[endpoint], "is_open_to_all", False)
