"""Log lines as JSON objects in ASCII: user input can neither begin a line nor control a terminal."""

import json
import logging
import secrets
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from flask import g, has_request_context

_ROOT = "reflow_accounts"
# Facts with these names get an underscore, so that they cannot replace members of the line.
_RESERVED = frozenset({"at", "level", "logger", "message", "request", "person", "traceback"})
# The server's own loggers (https://github.com/emmett-framework/granian), for its `log_dictconfig`.
SERVER_LOGGING: dict[str, Any] = {
    "formatters": {"json": {"()": f"{__name__}.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": "INFO", "propagate": False}
        for name in ("_granian", "granian.access")
    },
}


class JsonLines(logging.Formatter):
    """Formats a record as JSON; control characters are escaped, in tracebacks too."""

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
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        for name, value in getattr(record, "facts", {}).items():
            line[f"{name}_" if name in _RESERVED else name] = value
        return json.dumps(line, default=str)


def facts(**facts: object) -> dict[str, Any]:
    """Return the `extra` of a log call that adds these members to its line: public ids and constants."""
    return {"facts": facts}


def is_in_request() -> bool:
    """Return whether a request is being handled, not a background job or operator command."""
    return has_request_context()


def request_id() -> str:
    """Return the id in all log lines of the current request; users quote it to support."""
    if "request_id" not in g:
        g.request_id = "req_" + secrets.token_hex(6)
    current: str = g.request_id
    return current


def name_person(public_id: str) -> None:
    """Add the user to the later log lines of this request."""
    g.person_id = public_id


def configure() -> None:
    """Write the log of this application to standard error as JSON lines. Idempotent."""
    _add_handler(logging.getLogger(_ROOT), logging.INFO)


def configure_process() -> None:
    """Write the log of all libraries, warnings and uncaught exceptions of a service as JSON lines, too."""
    configure()
    logging.getLogger(_ROOT).propagate = False
    _add_handler(logging.getLogger(), logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda raised: _log_uncaught(
        raised.exc_type, raised.exc_value, raised.exc_traceback
    )


def _add_handler(logger: logging.Logger, level: int) -> None:
    if not any(isinstance(handler.formatter, JsonLines) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        logger.setLevel(level)


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, places: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    # The message of an exception may contain user input: log its type and traceback only.
    where = "".join(traceback.format_tb(places))
    logging.getLogger(_ROOT).error("uncaught %s\n%s", kind.__name__, where)
