"""The proxy for a server, as named by the environment."""

from __future__ import annotations

import os
import sys
from urllib.parse import SplitResult, unquote, urlsplit

from reflow_accounts.cli.errors import UsageFault
from reflow_accounts.cli.http.server_address import is_loopback

DEFAULT_PORT = 80


class Proxy:
    """An HTTP proxy; `source` is the variable that names it, `authorization` the value of its header."""

    def __init__(self, host: str, port: int, authorization: str, source: str) -> None:
        self.host, self.port, self.authorization, self.source = host, port, authorization, source

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the proxy {host}:{self.port} ({self.source})"

    @property
    def headers(self) -> dict[str, str]:
        """The headers for the proxy alone."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_for(url: SplitResult) -> Proxy | None:
    """Return the proxy for `url`, or None.

    The variables are those of curl and urllib: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, lower case first; on
    macOS and Windows the system's settings follow. No proxy is used for this machine itself (as in browsers
    and Go's net/http): such requests must not leave it. Raises UsageFault, which names the variable without
    its value.
    """
    # The lookup needs an import that costs time, so skip it when no proxy can be configured.
    has_settings = sys.platform in ("darwin", "win32")
    has_settings = has_settings or any(name.lower().endswith("_proxy") for name in os.environ)
    if not has_settings or is_loopback(url.hostname or ""):
        return None
    from urllib.request import getproxies, proxy_bypass

    address = getproxies().get(url.scheme)
    if not address or proxy_bypass(url.netloc):
        return None
    name = f"{url.scheme}_proxy"
    variables = [key for key in os.environ if key.lower() == name and os.environ[key]]
    source = name if name in variables else next(iter(variables), "the settings of this system")
    return _parse(address, source)


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
