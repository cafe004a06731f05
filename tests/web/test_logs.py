"""Each log record is one line of JSON, with any user input (OWASP ASVS 5.0, 16.4.1)."""

import json
import logging
import subprocess
import sys

import pytest

from reflow_accounts.web.request_logging import JsonLines, configure

pytestmark = pytest.mark.postgresql_later

SPECIAL_TEXTS = [
    "a\r\nb",
    "a\x1b[2Jb",
    "a\u2028b\u2029c",
    "a\x00b\x7f",
    "\ud800",
    '"},{"level":"info',
    "é\u202e",
]


def line_of(message, *arguments, error=None):
    record = logging.LogRecord("reflow_accounts.x", logging.ERROR, "x.py", 1, message, arguments, error)
    return JsonLines().format(record)


@pytest.mark.parametrize("text", SPECIAL_TEXTS)
def test_user_input_cannot_start_a_line(text):
    line = line_of("tried %s", text)
    assert line.isascii() and line.isprintable()
    assert json.loads(line)["message"] == f"tried {text}"


@pytest.mark.parametrize("text", SPECIAL_TEXTS)
def test_traceback_stays_in_its_line(text):
    try:
        raise ValueError(text)
    except ValueError as error:
        line = line_of("failed", error=(ValueError, error, error.__traceback__))
    assert line.isprintable()
    assert "test_logs.py" in json.loads(line)["traceback"]


def test_line_has_utc_time_and_request(app):
    line = json.loads(line_of("x"))
    assert line["at"].endswith("+00:00")
    assert (line["level"], line["logger"]) == ("error", "reflow_accounts.x")


def test_facts_do_not_replace_the_message():
    record = logging.LogRecord("reflow_accounts.x", logging.ERROR, "x.py", 1, "what happened", (), None)
    record.facts = {"message": "m-1", "at": "never", "queue": "q"}
    line = json.loads(JsonLines().format(record))
    assert (line["message"], line["message_"]) == ("what happened", "m-1")
    assert (line["at_"], line["queue"]) == ("never", "q")


def test_lines_are_written_once_with_several_applications(app):
    configure()
    configure()
    assert sum(isinstance(h.formatter, JsonLines) for h in logging.getLogger("reflow_accounts").handlers) == 1


def test_lines_are_written_only_to_standard_error(app):
    """The one place that SECURITY.md names (OWASP ASVS 5.0, 16.2.3)."""
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    own_loggers = [logger for logger in loggers if logger.name.startswith("reflow_accounts")]
    assert [type(handler) for logger in own_loggers for handler in logger.handlers] == [logging.StreamHandler]
    program = (
        "import logging; from reflow_accounts.web import request_logging; request_logging.configure(); "
        "logging.getLogger('reflow_accounts.x').info('x')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (result.stdout, len(result.stderr.splitlines())) == ("", 1)


def test_service_logs_warnings_libraries_and_uncaught_errors():
    program = """
import logging, threading, warnings
from reflow_accounts.web import request_logging
request_logging.configure_process()
warnings.warn("old")
logging.getLogger("library").warning("careful")
logging.getLogger("reflow_accounts.x").info("ours")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise ValueError("what a user typed")
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert [line["logger"] for line in lines] == [
        *("py.warnings", "library", "reflow_accounts.x", "reflow_accounts", "reflow_accounts")
    ]
    assert "uncaught ZeroDivisionError" in lines[3]["message"]
    assert "uncaught ValueError" in lines[4]["message"]
    assert "what a user typed" not in result.stderr
