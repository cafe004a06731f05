"""Log lines: one JSON object each, in ASCII, so that nothing typed by anybody begins a line or moves a terminal."""

import json
import logging
import secrets
from datetime import UTC, datetime
from typing import Any

from flask import g, has_request_context

_ROOT = "reflow_accounts"


class JsonLines(logging.Formatter):
    """Writes a record as JSON: CR, LF, ESC and U+2028 come out as escapes, in tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_of_request(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def facts(**facts: object) -> dict[str, Any]:
    """Return what a log call takes as `extra`, so that its line has these members: public ids and plain words."""
    return {"facts": facts}


def is_in_request() -> bool:
    """Say whether somebody's request is under way, rather than a background job or an operator's command."""
    return has_request_context()


def request_id() -> str:
    """Return the number that all lines of the current request share; people quote it to support."""
    if "request_id" not in g:
        g.request_id = "req_" + secrets.token_hex(6)
    number: str = g.request_id
    return number


def name_person(public_id: str) -> None:
    """Have the later lines of this request say who asks."""
    g.person_id = public_id


def _of_request() -> dict[str, str]:
    if not has_request_context():
        return {}
    person = {"person": g.person_id} if "person_id" in g else {}
    return {"request": request_id(), **person}


def configure() -> None:
    """Have everything that we log written to standard error in this form; doing it again changes nothing."""
    logger = logging.getLogger(_ROOT)
    if not any(isinstance(handler.formatter, JsonLines) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
