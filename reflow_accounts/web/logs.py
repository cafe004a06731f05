"""Log lines: one JSON object each, in ASCII, so that nothing typed by anybody begins a line or moves a terminal."""

import json
import logging
from datetime import UTC, datetime

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
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # DEL is the one control character that JSON lets through.
        return json.dumps(line).replace("\x7f", "\\u007f")


def bind() -> None:
    """Have everything that we log written to standard error in this form; doing it again changes nothing."""
    logger = logging.getLogger(_ROOT)
    if not any(isinstance(handler.formatter, JsonLines) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
