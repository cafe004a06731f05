"""Responses to errors: problem documents (RFC 9457) for the API, pages elsewhere."""

import logging
import traceback
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, flash, g, json, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException

from reflow_accounts.contract import Code
from reflow_accounts.database import db
from reflow_accounts.database_errors import describe
from reflow_accounts.errors import (
    TITLES,
    DomainError,
    InsufficientRights,
    RateLimited,
    Stale,
    Unauthenticated,
    Unavailable,
    ValidationFailed,
)
from reflow_accounts.web import htmx, redirects, request_logging
from reflow_accounts.web.filters import rfc3339
from reflow_accounts.web.request_info import path

PROBLEM_TYPE = "application/problem+json"
# Argument location that accepts a form or JSON (RFC 6749, 4.4.2 and RFC 8628, 3.1).
OAUTH = "oauth"
RETRY_AFTER_SECONDS = 5
# WSGI environment key of a request to answer with 503 without the database.
REFUSED = "reflow.refused"

# Locations that marshmallow puts before field names; users need not see them.
_LOCATIONS = ("json", "query", OAUTH, "_schema")
_CODES = {
    400: Code.BAD_REQUEST,
    401: Code.MISSING_CREDENTIALS,
    403: Code.INSUFFICIENT_RIGHTS,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    409: Code.CONFLICT,
    410: Code.GONE,
    413: Code.TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
    422: Code.VALIDATION_FAILED,
    429: Code.RATE_LIMITED,
    503: Code.UNAVAILABLE,
}
_SENTENCES = {
    400: "The request could not be understood. Go back and try again.",
    404: "There is nothing at this address. Check it, or go back to your account.",
    405: "This address only takes what a form sends. Open the form again from your account.",
    422: "The address has a value that this page does not understand. Go back and try again.",
    413: "The request is too large.",
    415: "Send the body as JSON with Content-Type: application/json.",
    503: "Reflow cannot reach its database. Try again in a few seconds.",
}
# Used instead for the API.
_API_SENTENCES = {
    400: "The request could not be understood.",
    404: "There is nothing at this address of the API.",
    405: "This address does not support this kind of request.",
}
_HEADINGS = {
    400: "This request could not be understood",
    403: "You do not have access to this",
    404: "Page not found",
    405: "This page cannot be shown",
    409: "This is not possible now",
    410: "This no longer exists",
    429: "Too many requests",
    422: "This page cannot be shown",
    500: "Something went wrong on our side",
    503: "Reflow is not available right now",
}
# For a request that was not processed, and advice after one whose outcome is unknown.
_NOT_BEGUN = "Reflow cannot reach its database. Nothing was changed. Try again in a few seconds."
_CHECK = " Check whether your change was made before you send it again."
_logger = logging.getLogger("reflow_accounts")


def is_api() -> bool:
    """Return whether the path is in the API, whether or not it exists."""
    return request.path == "/api" or request.path.startswith("/api/")


def problem(status: int, code: str, detail: str, title: str = "", **members: Any) -> Response:
    """Return a problem document with `members` added; times are written as RFC 3339."""
    g.problem_code = code
    body = {
        "type": f"{redirects.absolute('public.help.api')}#{code}",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **{name: rfc3339(value) if isinstance(value, datetime) else value for name, value in members.items()},
    }
    response = Response(json.dumps(body), status, mimetype=PROBLEM_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        # RFC 6750, 3.1: a request without any credential gets no error code.
        is_missing = code == Code.MISSING_CREDENTIALS
        error = "" if is_missing else f', error="invalid_token", error_description="{code}"'
        response.headers["WWW-Authenticate"] = f'Bearer realm="reflow"{error}'
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def error_page(status: int, sentence: str, heading: str = "", *, is_stale: bool = False) -> Response:
    """Return an error page, or the content of an error dialog.

    With `is_stale` the dialog reloads the page, which shows something that no longer exists.
    """
    heading = heading or _HEADINGS.get(status) or HTTPStatus(status).phrase
    frame = {"sheet": "layouts/dialog.html", "is_dialog": True} if htmx.opens_dialog() else {}
    request_id = request_logging.request_id() if status >= 500 else ""
    facts = {"heading": heading, "sentence": sentence, "request_id": request_id}
    page = render_template("errors/problem.html", **facts, is_stale=is_stale, **frame)
    response = Response(page, status, mimetype="text/html")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status >= 500:
        htmx.explain(response, facts)
    return htmx.in_new_dialog(response) if htmx.opens_dialog() else response


def stale_page(status: int, sentence: str) -> Response:
    """Return an error to htmx that says that the page is out of date, and reloads it."""
    return error_page(status, sentence, "This page is out of date", is_stale=True)


def old_session(status: int) -> Response:
    """Return the response to a form that htmx sent from a page of an ended or a different session."""
    return htmx.in_note(Response(render_template("errors/session.html"), status, mimetype="text/html"))


def not_ready(*names: str) -> Response:
    """Return the 503 of the readiness probe; `names` are the parts that are not ready."""
    body = json.dumps({"status": "unavailable", "not_ready": names})
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Response(body, 503, headers, mimetype="application/json")


def init_app(app: Flask) -> None:
    """Register the handlers of all errors."""
    app.register_error_handler(DomainError, domain_error)
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(DBAPIError, database_error)
    app.register_error_handler(PoolTimeoutError, database_error)
    app.register_error_handler(Exception, _unexpected)
    app.before_request(_refuse)
    app.after_request(_log_refusal)


def _refuse() -> Response | None:
    if not request.environ.get(REFUSED):
        return None
    g.database_is_away = True
    if request.path == "/readyz":
        return not_ready("threads")
    raise Unavailable(_NOT_BEGUN)


def _log_refusal(response: Response) -> Response:
    """Log a refused request without user input (OWASP ASVS 5.0, 16.3.2 and 16.3.3)."""
    status = 400 if "shown_again" in g else response.status_code
    if 400 <= status < 500:
        facts = {"status": status, "method": request.method, "path": path()}
        code = {"code": str(g.problem_code)} if "problem_code" in g else {}
        _logger.info("refused", extra=request_logging.facts(**facts, **code))
    return response


def domain_error(error: DomainError) -> Response:
    """Return the response to a domain error; roll back."""
    db.session.rollback()
    if is_api():
        code = error.reason if isinstance(error, Unauthenticated) else error.code
        members = dict(error.members)
        if isinstance(error, ValidationFailed):
            members["errors"] = [{"field": name, "message": text} for name, text in error.fields.items()]
        response = problem(error.status, code, str(error), error.title, **members)
    elif isinstance(error, Stale) or (isinstance(error, InsufficientRights) and htmx.is_htmx()):
        # Pages offer only what their user may do, so rights have changed since.
        response = stale_page(error.status, str(error))
    else:
        response = _page_of(error.status, str(error))
    if isinstance(error, RateLimited):
        response.headers.update(error.headers)
    return response


def _csrf_error(error: CSRFError) -> Response:
    """Return the response to a token of an old session."""
    if htmx.is_htmx():
        return old_session(400)
    if request.endpoint in ("public.auth.log_in", "public.auth.log_in_with_passkey"):
        g.shown_again = True  # logged as refused, although the browser is redirected
        flash("This page was open for too long. Log in again.", "session")
        address = url_for("public.auth.login", next=redirects.local_path(request.args.get("next")))
        return redirect(address, 303)  # type: ignore[return-value]  # Flask's own class
    sentence = (
        "It was open for too long, or your session ended. Nothing was changed. Go back, reload and try again."
    )
    return error_page(400, sentence, "This page is out of date")


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < 400:
        return error.get_response()  # type: ignore[return-value]  # a redirect made by the router
    is_ours = type(error).description != error.description
    sentences = _SENTENCES | (_API_SENTENCES if is_api() else {})
    sentence = (is_ours and error.description) or sentences.get(status) or HTTPStatus(status).phrase
    response = _api_http_error(error, status, sentence) if is_api() else _page_of(status, sentence)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _api_http_error(error: HTTPException, status: int, sentence: str) -> Response:
    """Return an HTTP error as a problem document, with the messages of the argument parser if any."""
    messages = (getattr(error, "data", None) or {}).get("messages")
    if not messages:
        code = _CODES.get(status, Code.BAD_REQUEST)
        return problem(status, code, sentence, TITLES.get(code, ""))
    errors = [{"field": name, "message": text} for name, text in _flat(messages)]
    detail = " ".join(f"{item['field']}: {item['message']}" for item in errors)
    return problem(422, Code.VALIDATION_FAILED, detail, ValidationFailed.title, errors=errors)


def database_error(error: Exception) -> Response:
    """Return 503 when the database is unavailable, and 500 when it refuses a statement; roll back."""
    db.session.rollback()
    is_away = isinstance(error, OperationalError | PoolTimeoutError) or getattr(
        error, "connection_invalidated", False
    )
    if not is_away:
        return _unexpected(error)
    g.database_is_away = True
    _logger.warning("database not available: %s", describe(getattr(error, "orig", None) or error))
    if is_api():
        return problem(503, Code.UNAVAILABLE, _SENTENCES[503], Unavailable.title)
    return error_page(503, _SENTENCES[503] + _advice())


def is_database_away() -> bool:
    """Return whether the database was unavailable to this request: the response must not query it again."""
    return bool(g.get("database_is_away"))


def _unexpected(error: Exception) -> Response:
    """Return 500 with a request id for support; only the log gets the details."""
    request_id = request_logging.request_id()
    # The message of an exception may contain user input: log its type and traceback only.
    places = "".join(traceback.format_tb(error.__traceback__))
    _logger.error("%s %s %r %s\n%s", request_id, request.method, path(), describe(error), places)
    db.session.rollback()
    sentence = f"The request could not be finished. Contact support and quote {request_id}."
    if is_api():
        return problem(500, Code.INTERNAL_ERROR, sentence, "Internal error", request_id=request_id)
    if current_app.testing:
        raise error
    return error_page(500, f"Try again, or contact support and quote the number.{_advice()}")


def _page_of(status: int, sentence: str) -> Response:
    if status == HTTPStatus.NOT_FOUND and htmx.is_htmx():
        return stale_page(status, "What you selected no longer exists. Somebody has changed or removed it.")
    if status == HTTPStatus.GONE and htmx.is_htmx():
        return stale_page(status, sentence)
    return error_page(status, sentence)


def _advice() -> str:
    """Return advice after a form whose outcome is unknown; for a form that htmx sent, app.js asks for the outcome."""
    is_form = request.method == "POST" and not htmx.is_htmx()
    return _CHECK if is_form else ""


def _flat(messages: Any, path: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Return marshmallow's nested messages as pairs of a dotted field name and a sentence."""
    if isinstance(messages, dict):
        return [
            pair
            for name, inner in messages.items()
            for pair in _flat(inner, path if name in _LOCATIONS else (*path, str(name)))
        ]
    if isinstance(messages, list):
        return [(".".join(path) or "body", str(text)) for text in messages]
    return [(".".join(path) or "body", str(messages))]
