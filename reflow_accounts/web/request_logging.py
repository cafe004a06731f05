"""Log lines as JSON objects in ASCII: user input can neither begin a line nor control a terminal."""

import json
import logging
import secrets
from datetime import UTC, datetime
from typing import Any

from flask import g, has_request_context

_ROOT = "reflow_accounts"


class JsonLines(logging.Formatter):
    """Formatter that writes a record as JSON; control characters are escaped, in tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        request = {}
        if has_request_context():
            request = {"request": request_id()} | ({"person": g.person_id} if "person_id" in g else {})
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "at": time,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **request,
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def facts(**facts: object) -> dict[str, Any]:
    """Return the `extra` of a log call that adds these members to its line: public ids and constants."""
    return {"facts": facts}


def is_in_request() -> bool:
    """Return whether a request is being handled, not a background job or operator command."""
    return has_request_context()


def request_id() -> str:
    """Return the id that all log lines of the current request share; users quote it to support."""
    if "request_id" not in g:
        g.request_id = "req_" + secrets.token_hex(6)
    number: str = g.request_id
    return number


def name_person(public_id: str) -> None:
    """Add the user to the later log lines of this request."""
    g.person_id = public_id


def configure() -> None:
    """Write the log to standard error as JSON lines. Idempotent."""
    logger = logging.getLogger(_ROOT)
    if not any(isinstance(handler.formatter, JsonLines) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
