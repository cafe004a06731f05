"""The host names that the site answers at, so that no client puts another one into a link or a cache."""

import re
import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from urllib.parse import quote, urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, abort, request

from reflow_accounts.config import Settings

# Names with their ports that need no second look: a few, were it not for who listens everywhere.
_MOST_SEEN = 1000
_FOREIGN = "reflow.foreign_host"
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  # compared, not bound
# RFC 9112, 3.2: a name or an IPv4 address, or an IPv6 address in brackets; then perhaps a port.
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_SENTENCE = "This site does not answer under that name. Its operator can change REFLOW_BASE_URL."

Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


class Hosts:
    """Which names are ours: REFLOW_BASE_URL's alone; without it this machine's own, as far as HOST listens."""

    def __init__(self, settings: Settings) -> None:
        self._seen: set[str] = set()
        if settings.base_url:
            self._names = {urlsplit(settings.base_url).hostname or ""}
            self._takes_addresses = False
            self.canonical = urlsplit(settings.base_url).netloc
            return
        self._names = {"localhost", "127.0.0.1", "::1", settings.host, socket.gethostname().lower()}
        # An address, unlike a name, cannot be made to mean this machine by somebody else.
        self._takes_addresses = settings.host in _EVERYWHERE
        self.canonical = "localhost"

    def has(self, host: str) -> bool:
        """Say whether a Host header names us; the port is the client's business."""
        if host in self._seen:
            return True
        found = _HOST.fullmatch(host)
        name = found[1].strip("[]").lower() if found else ""
        is_ours = bool(name) and (name in self._names or (self._takes_addresses and _is_address(name)))
        if is_ours and len(self._seen) < _MOST_SEEN:
            self._seen.add(host)
        return is_ours


class HostGate:
    """A WSGI application in front of Flask: marks a request under a foreign name, for Flask to refuse."""

    def __init__(self, hosts: Hosts, flask: Application) -> None:
        self._hosts, self._flask = hosts, flask

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # Bytes beyond ASCII, which werkzeug would refuse to decode where they are no UTF-8.
        environ["QUERY_STRING"] = quote(environ.get("QUERY_STRING", ""), safe=_ASCII, encoding="latin-1")
        host = environ.get("HTTP_HOST")
        if host is not None and not self._hosts.has(host):
            environ[_FOREIGN] = True
            environ["HTTP_HOST"] = self._hosts.canonical
        return self._flask(environ, start_response)


def init_app(app: Flask) -> None:
    """Refuse what came under a foreign name."""

    @app.before_request
    def refuse_foreign() -> None:
        if request.environ.get(_FOREIGN):
            abort(400, _SENTENCE)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
