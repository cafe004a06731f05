"""What can end a run early: the sentence a person reads and the exit code a program reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reflow_accounts.contract import Code, Exit

if TYPE_CHECKING:
    from typing import Any

_EXITS = {
    401: Exit.NOT_SIGNED_IN,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    410: Exit.NOT_FOUND,
}

_ADVICE: dict[str, str] = {
    Code.SUBSCRIPTION_INACTIVE: "An Admin of the team can see to it in Account > Subscription.",
    Code.INSUFFICIENT_RIGHTS: "Ask an Admin of the team for more rights.",
    Code.UNAVAILABLE: "Nothing was changed; try again in a moment.",
}


class CommandError(Exception):
    """Ends the run. `lines` are for a person, one sentence or command each, and hold no secret."""

    exit_code = Exit.FAILED

    def __init__(self, *lines: str, exit_code: Exit | None = None) -> None:
        super().__init__(*lines)
        self.lines = lines
        if exit_code is not None:
            self.exit_code = exit_code


class UsageFault(CommandError):
    """The command line, a variable or the place it was run in makes no sense."""

    exit_code = Exit.USAGE


class NotSignedIn(CommandError):
    """No credential was found, or the one found cannot be used."""

    exit_code = Exit.NOT_SIGNED_IN


class NotFound(CommandError):
    """What was named does not exist."""

    exit_code = Exit.NOT_FOUND


class Unreachable(CommandError):
    """No answer came, or one that Reflow did not write.

    `was_asked` is false when the request was surely not sent: nothing can have come of it then.
    """

    exit_code = Exit.UNREACHABLE
    was_asked = True


class OddAnswer(Unreachable):
    """JSON came, but not what Reflow writes at this place."""


class Problem(CommandError):
    """The server refused the request. `document` is its problem document (RFC 9457).

    `retry_after` is in how many seconds it may be asked again, when the server said so.
    """

    retry_after: int | None = None

    def __init__(self, status: int, document: dict[str, Any], *lines: str) -> None:
        super().__init__(*lines, exit_code=exit_code_of(status))
        self.status = status
        self.document = document


def exit_code_of(status: int) -> Exit:
    """Return the exit code for an HTTP status of 400 or above that Reflow itself answered."""
    return _EXITS.get(status, Exit.FAILED)


def explanation(status: int, document: dict[str, Any], retry_after: int | None) -> list[str]:
    """Return the lines for any other refusal: the server's own words, then what to do next.

    `retry_after` is in seconds.
    """
    words = str(document.get("detail") or document.get("title") or f"The server answered {status}.")
    advice = _advice(status, document, retry_after)
    lines = [f"{words} {advice}" if advice and advice not in words else words]
    return lines + [f"  {field}: {message}" for field, message in _errors_in(document) if field not in words]


def span(seconds: int) -> str:
    """Return how long `seconds` are, for reading: in minutes and hours when there are many, rounded up."""
    for length, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{-(-seconds // length)} {unit}"
    return f"{seconds} s"


def _errors_in(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the name of each field that was refused, and why."""
    errors = document.get("errors")
    found = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return [(str(error.get("field", "body")), str(error.get("message", ""))) for error in found]


def _advice(status: int, document: dict[str, Any], retry_after: int | None) -> str:
    if status in (429, 503) and retry_after:
        return f"Try again in {span(retry_after)}."
    request_id = document.get("request_id") if status >= 500 else None
    if request_id and str(request_id) not in str(document.get("detail")):
        return f"When you report it, give the request id {request_id}."
    return _ADVICE.get(str(document.get("code")), "")
