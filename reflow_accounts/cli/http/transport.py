"""One HTTP exchange with the standard library: no redirects, no endless answers, no tracebacks."""

from __future__ import annotations

import http.client
from contextlib import closing
from email.message import Message
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from reflow_accounts.cli.errors import Unreachable
from reflow_accounts.cli.http import timeouts
from reflow_accounts.cli.http.errors import broken_off, demand_of_the_proxy, endless, explained
from reflow_accounts.cli.http.proxies import Proxy, proxy_for

LARGEST_ANSWER = 32 * 1024 * 1024  # bytes
_PROXY_DEMANDS = 407


class Reply(NamedTuple):
    """What came back, whatever its status; `through` names the proxy on the way, when there was one."""

    status: int
    status_line: str
    headers: Message
    content: bytes
    through: str = ""

    @property
    def is_json(self) -> bool:
        """Whether it says that it is JSON."""
        return self.headers.get_content_type().endswith("json")

    @property
    def described_content(self) -> str:
        """The kind of content in words, for people."""
        return self.headers.get_content_type() if self.content else "nothing"

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
    parts = urlsplit(url)
    server, proxy = f"{parts.scheme}://{parts.netloc}", proxy_for(parts)
    is_on_its_way = False
    try:
        with closing(_connection(parts, proxy)) as connection:
            connection.connect()
            is_on_its_way = True
            connection.request(method, _target(url, parts, proxy), body, _all(headers, parts, proxy))
            reply = _read(connection.getresponse(), server, proxy)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        fault = explained(server, proxy, error)
        fault.was_asked = is_on_its_way
        raise fault from None
    if proxy and reply.status == _PROXY_DEMANDS:
        raise demand_of_the_proxy(server, proxy)
    return reply


def _connection(parts: SplitResult, proxy: Proxy | None) -> http.client.HTTPConnection:
    is_secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if is_secure else http.client.HTTPConnection
    host, port = (proxy.host, proxy.port) if proxy else (parts.hostname or "", parts.port)
    # Without a context of ours: the standard one, which trusts what this machine trusts.
    connection = kind(host, port or kind.default_port, timeout=timeouts.TIMEOUT)
    connection.response_class = timeouts.Answer
    if proxy and is_secure:
        connection.set_tunnel(parts.hostname or "", parts.port or kind.default_port, proxy.headers)
    return connection


def _target(url: str, parts: SplitResult, proxy: Proxy | None) -> str:
    """Return what the request line names: all of it for a proxy that reads it (RFC 9112, section 3.2)."""
    if proxy and parts.scheme == "http":
        return url
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _all(headers: dict[str, str], parts: SplitResult, proxy: Proxy | None) -> dict[str, str]:
    of_the_proxy = proxy.headers if proxy and parts.scheme == "http" else {}
    return {**headers, **of_the_proxy, "Connection": "close"}


def _read(response: http.client.HTTPResponse, server: str, proxy: Proxy | None) -> Reply:
    content = response.read(LARGEST_ANSWER + 1)
    if len(content) > LARGEST_ANSWER:
        raise Unreachable(endless(server))
    if response.length:  # read(amount) returns a short answer without complaint
        raise Unreachable(broken_off(server))
    line = f"HTTP/{response.version / 10} {response.status} {response.reason}".rstrip()
    return Reply(response.status, line, response.headers, content, str(proxy) if proxy else "")
