"""The proxy on the way to a server, as the environment names it."""

from __future__ import annotations

import os
import sys
from urllib.parse import SplitResult, unquote, urlsplit

from reflow_accounts.cli.errors import UsageFault
from reflow_accounts.cli.http.server_address import is_loopback

USUAL_PORT = 80


class Proxy:
    """An http proxy; `source` is the variable that names it, `authorization` the header it is shown."""

    def __init__(self, host: str, port: int, authorization: str, source: str) -> None:
        self.host, self.port, self.authorization, self.source = host, port, authorization, source

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the proxy {host}:{self.port} ({self.source})"

    @property
    def headers(self) -> dict[str, str]:
        """What to send to the proxy alone."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_for(url: SplitResult) -> Proxy | None:
    """Return the proxy that `url` is asked through, or None.

    The variables are those of curl and urllib: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, in lower case first; on
    macOS and Windows the settings of the system follow. This machine itself is never asked through a
    proxy (as in browsers and Go's net/http): what is sent to it must not leave it. Raises UsageFault,
    which names the variable and repeats nothing of its value.
    """
    if is_loopback(url.hostname or "") or not _may_be_named():
        return None
    from urllib.request import getproxies, proxy_bypass

    address = getproxies().get(url.scheme)
    if not address or proxy_bypass(url.netloc):
        return None
    return _read(address, _source(url.scheme))


def _may_be_named() -> bool:
    """Say whether it is worth asking: the answer costs an import."""
    return sys.platform in ("darwin", "win32") or any(name.lower().endswith("_proxy") for name in os.environ)


def _source(scheme: str) -> str:
    name = f"{scheme}_proxy"
    named = [variable for variable in os.environ if variable.lower() == name and os.environ[variable]]
    return name if name in named else next(iter(named), "the settings of this system")


def _read(address: str, source: str) -> Proxy:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname or "", parts.port or USUAL_PORT
    except ValueError:
        host, port = "", 0
    if not host or not host.isprintable() or " " in host:
        raise UsageFault(f"{source} is no address of a proxy. Example: http://proxy.example:3128")
    if parts.scheme != "http":
        raise UsageFault(
            f"{source} names a proxy that is not spoken to by plain http, the only way reflow knows. "
            "Write http:// in it, or add the server's host to NO_PROXY."
        )
    return Proxy(host, port, _authorization(parts), source)


def _authorization(parts: SplitResult) -> str:
    """Return the header for the name and password in the address (RFC 7617), or nothing."""
    if not parts.username:
        return ""
    from base64 import b64encode

    words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {b64encode(words.encode(errors='surrogateescape')).decode()}"
