"""Errors that end a run, and the mapping of errors to messages and exit codes."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import click

from reflow_accounts.cli.interrupts import report_interrupt, was_interrupted
from reflow_accounts.cli.output import discard_stdout, say
from reflow_accounts.contract import Code, Exit

if TYPE_CHECKING:
    from typing import Any

_EXIT_CODES = {
    401: Exit.NOT_SIGNED_IN,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    410: Exit.NOT_FOUND,
    429: Exit.UNREACHABLE,
    502: Exit.UNREACHABLE,
    503: Exit.UNREACHABLE,
    504: Exit.UNREACHABLE,
}


class CommandError(Exception):
    """Ends the run. `lines` are sentences and commands to show, without secrets."""

    exit_code = Exit.FAILED

    def __init__(self, *lines: str, exit_code: Exit | None = None) -> None:
        super().__init__(*lines)
        self.lines = lines
        if exit_code is not None:
            self.exit_code = exit_code


class UsageFault(CommandError):
    """The command line, an environment variable or the current folder is not usable."""

    exit_code = Exit.USAGE


class ServerFault(UsageFault):
    """The server is unknown, is not that of the credential, or would get the secret unencrypted.

    `fix` is the command that `reflow doctor` suggests.
    """

    fix = "reflow --server https://HOST doctor"


class NotSignedIn(CommandError):
    """There is no credential, or it cannot be used."""

    exit_code = Exit.NOT_SIGNED_IN


class NoMatch(CommandError):
    """The named object does not exist."""

    exit_code = Exit.NOT_FOUND


class Unreachable(CommandError):
    """The server did not answer, or the answer is not from Reflow.

    `was_sent` is false when the request certainly did not reach the server. `is_brief` is true when the
    connection was refused or broke off, so that a retry may succeed.
    """

    exit_code = Exit.UNREACHABLE
    was_sent = True
    is_brief = False


class UnexpectedAnswer(Unreachable):
    """The answer is JSON of an unexpected shape."""


class ApiError(CommandError):
    """The server refused the request with the problem document `document` (RFC 9457).

    `retry_after` is the delay in seconds that the server asked for, or None.
    """

    retry_after: int | None = None

    def __init__(self, status: int, document: dict[str, Any], *lines: str) -> None:
        super().__init__(*lines, exit_code=_EXIT_CODES.get(status, Exit.FAILED))
        self.status = status
        self.document = document


def problem_lines(status: int, document: dict[str, Any], retry_after: int | None) -> list[str]:
    """Return the message for a problem document: the server's text, advice, and one line per refused field."""
    text = str(document.get("detail") or document.get("title") or f"The server answered {status}.")
    advice = _advice(status, document, retry_after)
    errors, lines = document.get("errors"), []
    for error in errors if isinstance(errors, list) else []:
        if not isinstance(error, dict) or (field := str(error.get("field", "body"))) in text:
            continue
        message = str(error.get("message", ""))
        if message and message in text:
            text = text.replace(message, f"{field}: {message}", 1)
        else:
            lines.append(f"  {field}: {message}")
    return [f"{text} {advice}" if advice and advice not in text else text, *lines]


def _advice(status: int, document: dict[str, Any], retry_after: int | None) -> str:
    if status in (429, 503) and retry_after:
        if "Try again in " in str(document.get("detail")):
            return ""
        return f"Try again in {readable_duration(retry_after)}."
    request_id = document.get("request_id") if status >= 500 else None
    if request_id and str(request_id) not in str(document.get("detail")):
        return f"When you report it, give the request id {request_id}."
    if document.get("code") == Code.INSUFFICIENT_RIGHTS and "rights to" in str(document.get("detail")):
        return "Ask an Admin of the team for more rights."
    return ""


def readable_duration(seconds: int) -> str:
    """Return `seconds` as text, in the largest unit of which there are two or more, rounded up."""
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{-(-seconds // length)} {unit}"
    return f"{seconds} s"


def exit_code_after(error: BaseException) -> int:
    """Report `error` on stderr, without secrets, and return the exit code of the run."""
    if isinstance(error, CommandError):
        say("reflow: " + error.lines[0], *error.lines[1:])
        return error.exit_code
    if isinstance(error, click.UsageError):
        return _report_usage(error)
    if isinstance(error, (KeyboardInterrupt, EOFError, click.Abort)):
        return report_interrupt()
    if isinstance(error, OSError):
        return _report_lost_output(error)
    # Ctrl-C during an import can surface as another exception.
    return report_interrupt() if was_interrupted() else _report_bug(error)


def _report_usage(error: click.UsageError) -> int:
    # click lists the choices of a missing argument on separate lines that begin with a tab.
    lines = error.format_message().replace("\n\t", " ").splitlines()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(*lines)
        return Exit.USAGE
    say(f"reflow: {lines[0] if lines else 'wrong usage'}", *lines[1:])
    if error.ctx:
        say(*error.ctx.get_usage().splitlines(), f"Try {error.ctx.command_path} --help.")
    return Exit.USAGE


def _report_lost_output(error: OSError) -> int:
    """Report why stdout failed. A closed pipe is not an error: the reader needs no more output."""
    discard_stdout()
    # Windows reports a closed pipe as EINVAL.
    if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL):
        return Exit.DONE
    say(f"reflow: the output could not be written ({error.strerror or 'unknown reason'}).")
    return Exit.FAILED


def _report_bug(error: BaseException) -> int:
    """Report the type and line of an unexpected exception; its values could contain secrets."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno}" if trace else "?"
    kind = type(error).__name__
    say(f"reflow: something went wrong inside the command ({kind} in {where}). Please report it.")
    return Exit.FAILED
