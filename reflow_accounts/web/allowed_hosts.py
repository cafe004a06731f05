"""Host names of the site: requests for other names are refused (host header injection)."""

import re
import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from urllib.parse import quote, urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, abort, request

from reflow_accounts.config import Settings
from reflow_accounts.contract import API_PREFIX

# Probes and monitoring may use any address, such as that of a container.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
# A proxy requests it at an internal address.
AUTHORIZE = f"{API_PREFIX}/authorize"
# Size limit of the cache of accepted Host headers.
_MOST_SEEN = 1000
_FOREIGN = "reflow.foreign_host"
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  # only compared
# RFC 9112, 3.2: a name or an IPv4 address, or an IPv6 address in brackets; then perhaps a port.
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_SENTENCE = "This site does not answer under that name. Its operator can change REFLOW_BASE_URL."

Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


class Hosts:
    """The accepted host names: that of REFLOW_BASE_URL, or without it those of this machine."""

    def __init__(self, settings: Settings) -> None:
        self._seen: set[str] = set()
        self.open_paths = PROBES | {AUTHORIZE} if settings.trusted_proxies else PROBES
        if settings.base_url:
            self._names = {urlsplit(settings.base_url).hostname or ""}
            self._takes_addresses = False
            self.canonical = urlsplit(settings.base_url).netloc
            return
        self._names = {"localhost", "127.0.0.1", "::1", settings.host, socket.gethostname().lower()}
        # Unlike a name, an IP address cannot be pointed to this machine by an attacker (DNS rebinding).
        self._takes_addresses = settings.host in _EVERYWHERE
        self.canonical = "localhost"

    def has(self, host: str) -> bool:
        """Return whether a Host header has an accepted name, with any port."""
        if host in self._seen:
            return True
        match = _HOST.fullmatch(host)
        name = match[1].strip("[]").lower() if match else ""
        is_ours = bool(name) and (name in self._names or (self._takes_addresses and _is_address(name)))
        if is_ours and len(self._seen) < _MOST_SEEN:
            self._seen.add(host)
        return is_ours


class HostGate:
    """WSGI middleware that marks requests for foreign host names, so that Flask can refuse them.

    Probes, and /authorize behind a trusted proxy, accept every name: their responses do not contain it.
    """

    def __init__(self, hosts: Hosts, flask: Application) -> None:
        self._hosts, self._flask = hosts, flask

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # werkzeug cannot decode non-ASCII bytes that are not UTF-8.
        environ["QUERY_STRING"] = quote(environ.get("QUERY_STRING", ""), safe=_ASCII, encoding="latin-1")
        host = environ.get("HTTP_HOST")
        if host is not None and not self._hosts.has(host):
            environ[_FOREIGN] = environ.get("PATH_INFO") not in self._hosts.open_paths
            environ["HTTP_HOST"] = self._hosts.canonical
        return self._flask(environ, start_response)


def init_app(app: Flask) -> None:
    """Refuse requests for foreign host names with 400."""

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
