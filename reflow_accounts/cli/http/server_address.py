"""Validates the address of the server strictly, because secrets are sent to it."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from reflow_accounts.cli.errors import ServerFault, UsageFault

_EXAMPLE = "Example: https://reflow.example"
_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}")
_PORTS = {"http": 80, "https": 443}


def server_address(address: str, source: str) -> str:
    """Return `address` in canonical form: scheme, host, port unless default, path without trailing slash.

    `source` names its origin (`--server`). Raises UsageFault, which repeats no password.
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
            "Use https://; to send it all the same, give --insecure or set REFLOW_INSECURE=1."
        )
        fault.mend = f"reflow --server {server.replace('http:', 'https:', 1)} doctor"
        raise fault


def is_exposed(server: str) -> bool:
    """Return whether requests to `server` travel unencrypted beyond this machine."""
    parts = urlsplit(server)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Return whether `host` (lower case, without brackets) is this machine itself."""
    return host in ("localhost", "::1") or bool(_LOOPBACK.fullmatch(host))
