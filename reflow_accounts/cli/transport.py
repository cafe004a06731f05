"""One HTTP exchange with the standard library: no redirects, no endless answers, no tracebacks."""

from __future__ import annotations

import http.client
import socket
import urllib.request
from email.message import Message
from typing import NamedTuple
from urllib.error import URLError
from urllib.parse import urlsplit

from reflow_accounts.cli.errors import Unreachable

TIMEOUT = 10  # seconds, for the connection and for each piece of the answer
LARGEST_ANSWER = 32 * 1024 * 1024  # bytes


class Reply(NamedTuple):
    """What came back, whatever its status."""

    status: int
    headers: Message
    content: bytes

    @property
    def retry_after(self) -> str | None:
        """The header Retry-After as it was sent."""
        return self.headers.get("Retry-After")

    @property
    def described_content(self) -> str:
        """The kind of content in words, for people."""
        kind = self.headers.get_content_type() if self.content else "nothing"
        return "broken JSON" if kind.endswith("json") else kind

    @property
    def redirect_target(self) -> str:
        """Where a redirect leads: scheme and host only, the rest may be private."""
        try:
            parts = urlsplit(self.headers.get("Location", ""))
            host = parts.hostname
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            return "an unreadable address"
        return f"{parts.scheme or 'http'}://{host}{port}" if host else "another page of its own"


def exchange(url: str, method: str, headers: dict[str, str], body: bytes | None) -> Reply:
    """Send one request and return what comes back. Raises Unreachable with the reason in words."""
    # The opener knows http and https alone.
    request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310
    try:
        with _opener().open(request, timeout=TIMEOUT) as response:
            content = response.read(LARGEST_ANSWER + 1)
            reply = Reply(response.status, response.headers, content)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise Unreachable(_sentence(url, error)) from None
    if len(content) > LARGEST_ANSWER or _is_cut_off(response):
        raise Unreachable(f"The answer of {_origin(url)} broke off or is endless. Try again.")
    return reply


def _is_cut_off(response: http.client.HTTPResponse) -> bool:
    # HTTPResponse.read(amount) returns a short answer without complaint.
    return bool(response.length)


def _opener() -> urllib.request.OpenerDirector:
    # Only these: no redirects, no cookies, no ftp: or file:, and every status is an answer.
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
        opener.add_handler(handler())
    return opener


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _sentence(url: str, error: Exception) -> str:
    reason = _reason(_cause(error))
    return f"{_origin(url)} cannot be reached: {reason}. Check the address (--server, REFLOW_SERVER)."


def _cause(error: Exception) -> Exception:
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        return error.reason
    return error


def _reason(error: Exception) -> str:
    import ssl

    if isinstance(error, (socket.gaierror, UnicodeError)):
        return "no machine has this name"
    if isinstance(error, ConnectionRefusedError):
        return "nothing answers there; is the server running?"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT} seconds"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "no secure connection (does it speak http rather than https?)"
    if isinstance(error, http.client.HTTPException):
        return "the connection broke off or it does not speak HTTP"
    return getattr(error, "strerror", None) or "the connection broke off"
