"""The server's address, validated strictly because secrets are sent there, and the proxy for it."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from urllib.parse import SplitResult, unquote, urlsplit

from reflow_accounts.cli.errors import ServerFault, UsageFault

_EXAMPLE = "Example: https://reflow.example"
_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}")
_PORTS = {"http": 80, "https": 443}

DEFAULT_PORT = 80


def server_address(address: str, source: str) -> str:
    """Return `address` in canonical form: scheme, host, port unless default, path without trailing slash.

    `source` is the option or variable that holds it. Raises UsageFault, without the password in the address.
    """
    try:
        parts = urlsplit(address)
        _check(address, parts, source)
        host = parts.hostname or ""
        if ":" in host:
            host = f"[{host}]"
        elif not host.isascii() or len(host) >= 64:
            host = host.encode("idna").decode("ascii")
        port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
        return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
    except ValueError:
        raise UsageFault(f"{source} is not a web address. {_EXAMPLE}") from None


def _check(address: str, parts: SplitResult, source: str) -> None:
    if parts.scheme not in _PORTS or not parts.hostname:
        raise UsageFault(f"{source} must start with https:// or http:// and name a host. {_EXAMPLE}")
    if parts.username is not None or parts.password is not None:
        raise UsageFault(f"{source} must not hold a user name or password. {_EXAMPLE}")
    if parts.query or parts.fragment or "?" in address or "#" in address:
        raise UsageFault(f"{source} must end with the host or a path. {_EXAMPLE}")
    if not address.isprintable() or not parts.path.isascii() or set(address) & set(' \\"<>{}|^`'):
        raise UsageFault(f"{source} holds characters that no web address has. {_EXAMPLE}")


def check_encryption(server: str, *, allowed: bool) -> None:
    """Raise ServerFault when requests to `server` would travel unencrypted, unless this is `allowed`."""
    if is_exposed(server) and not allowed:
        fault = ServerFault(
            f"{server} is another machine, and http:// would send your secret to it unencrypted. "
            "Use https://; to send it anyway, use --insecure or set REFLOW_INSECURE=1."
        )
        fault.fix = f"reflow --server {server.replace('http:', 'https:', 1)} doctor"
        raise fault


def is_exposed(server: str) -> bool:
    """Return whether requests to `server` travel unencrypted beyond this machine."""
    parts = urlsplit(server)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Return whether `host` (lower case, without brackets) is this machine itself."""
    return host in ("localhost", "::1") or bool(_LOOPBACK.fullmatch(host))


class Proxy:
    """An HTTP proxy; `source` is the variable that names it, `authorization` the value of its header."""

    def __init__(self, host: str, port: int, authorization: str, source: str) -> None:
        self.host, self.port, self.authorization, self.source = host, port, authorization, source

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the proxy {host}:{self.port} ({self.source})"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that only the proxy may get."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_for(url: SplitResult) -> Proxy | None:
    """Return the proxy for `url`, or None.

    The variables are those of curl and urllib: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, lower case first; on
    macOS and Windows the system's settings follow. Requests to this machine use no proxy, as in browsers and
    Go's net/http: they must not leave it. Raises UsageFault, which names the variable without its value.
    """
    # Skip the lookup, whose import is slow, when no proxy can be configured.
    has_settings = sys.platform in ("darwin", "win32")
    has_settings = has_settings or any(name.lower().endswith("_proxy") for name in os.environ)
    if not has_settings or is_loopback(url.hostname or ""):
        return None
    from urllib.request import getproxies, proxy_bypass

    proxies, host = getproxies(), url.hostname or ""
    address, port = proxies.get(url.scheme), url.port or _PORTS[url.scheme]
    # An IPv6 address stands in NO_PROXY with or without brackets.
    if not address or any(map(proxy_bypass, (f"{host}:{port}", f"[{host}]:{port}", host))):
        return None
    if is_in_network(host, proxies.get("no", "")):
        return None
    name = f"{url.scheme}_proxy"
    variables = [key for key in os.environ if key.lower() == name and os.environ[key]]
    source = name if name in variables else next(iter(variables), "the settings of this system")
    return _parse(address, source)


def is_in_network(host: str, networks: str) -> bool:
    """Return whether `host` is an address in one of the networks, such as 10.0.0.0/8, in the value of NO_PROXY.

    curl and Go's net/http know networks, urllib does not.
    """
    if "/" not in networks:
        return False
    from ipaddress import ip_address, ip_network

    for network in networks.split(","):
        with suppress(ValueError):  # a name, or no network
            if "/" in network and ip_address(host) in ip_network(
                re.sub(r"[\[\]\s]", "", network), strict=False
            ):
                return True
    return False


def _parse(address: str, source: str) -> Proxy:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname or "", parts.port or DEFAULT_PORT
    except ValueError:
        host, port = "", 0
    if not host or not host.isprintable() or " " in host:
        raise UsageFault(f"{source} is not the address of a proxy. Example: http://proxy.example:3128")
    if parts.scheme != "http":
        raise UsageFault(
            f"{source} names a proxy with another protocol than http, the only one that reflow supports. "
            "Write http:// in it, or add the server's host to NO_PROXY."
        )
    authorization = ""
    if parts.username:
        from base64 import b64encode

        # Basic credentials (RFC 7617).
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(credentials.encode(errors='surrogateescape')).decode()}"
    return Proxy(host, port, authorization, source)
