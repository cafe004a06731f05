"""Client of a request: address, user agent and device; the path without secrets."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from flask import current_app, has_request_context, request
from werkzeug.http import parse_list_header

from reflow_accounts.contract import KEY_PREFIX, SESSION_PREFIX

LONGEST_ADDRESS = 45
LONGEST_METHOD = 10
LONGEST_USER_AGENT = 255
LONGEST_PATH = 255

_NONCE = re.compile(r"[0-9A-Za-z_-]{16,80}", re.ASCII)
# Keys, sessions, and the signature of a mailed link.
_SECRET = re.compile(rf"({KEY_PREFIX}|{SESSION_PREFIX}|lnk_[0-9A-Za-z]+\.)[0-9A-Za-z_-]+")
# An address as proxies write it: IPv4 with or without a port, IPv6 with or without brackets, a port only after
# brackets (RFC 7239, 6.1).
_FORWARDED_ADDRESS = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|([0-9.]+)(?::\d+)?|([0-9A-Fa-f:.]+)")

# First match wins: Edge and Chrome also name Safari, Android also names Linux.
_PROGRAMS = {
    "reflow/": "reflow command",
    "Edg/": "Edge",
    "Firefox/": "Firefox",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
    "curl/": "curl",
}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "macOS": "macOS",
    "Darwin": "macOS",
    "Linux": "Linux",
}


@dataclass(frozen=True)
class Client:
    """Source of a request. `address` is that of the peer, or the one that a trusted proxy reports."""

    address: str
    user_agent: str

    @property
    def device(self) -> str:
        """The program and system, such as "Firefox on Linux"."""
        program = _first(_PROGRAMS, self.user_agent)
        # The CLI names its system in the first parentheses; later text, such as a CI repository, may be anything.
        is_ours = self.user_agent.startswith("reflow/")
        system = _first(_SYSTEMS, self.user_agent.partition(")")[0] if is_ours else self.user_agent)
        return " on ".join(word for word in (program, system) if word) or "Unknown device"


def client() -> Client:
    """Return the client of the current request."""
    peer, proxies = request.remote_addr or "", current_app.config["SETTINGS"].trusted_proxies
    return Client(
        address=client_address(peer, request.headers.get("X-Forwarded-For", ""), proxies),
        user_agent=request.headers.get("User-Agent", "")[:LONGEST_USER_AGENT],
    )


def client_address(peer: str, forwarded_for: str, proxies: int) -> str:
    """Return the client's address without a port if a proxy reports one, else the peer's.

    Uses the entry of the outermost of `proxies` trusted proxies in `forwarded_for`, the X-Forwarded-For header.
    Ignores an entry that is no address (`unknown`, a host name).
    """
    match = _FORWARDED_ADDRESS.fullmatch(forwarded(forwarded_for, proxies))
    reported = next(filter(None, match.groups())) if match else ""
    return (_canonical_address(reported) or _canonical_address(peer) or peer)[:LONGEST_ADDRESS]


@lru_cache(1024)
def _canonical_address(address: str) -> str:
    """Return the usual form of an address, "" for other text. An IPv4 client of an IPv6 socket has its IPv4 address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return ""
    return str(ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else str(ip)


def forwarded(header: str, proxies: int) -> str:
    """Return the value that the outermost of `proxies` trusted proxies put into an `X-Forwarded-…` header, or "".

    Same rule as werkzeug's ProxyFix: each proxy appends a value; earlier values come from the client, and without
    a trusted proxy all of them.
    """
    if not proxies:
        return ""
    values = parse_list_header(header)
    return values[-proxies] if len(values) >= proxies else ""


def form_nonce() -> str:
    """Return the nonce that app.js sends with a form, or ""; a repeated form has the same nonce."""
    nonce = request.headers.get("ReflowForm", "") if has_request_context() else ""
    return nonce if _NONCE.fullmatch(nonce) else ""


def path() -> str:
    """Return the path of the request for storage (see `storable_path`)."""
    return storable_path(request.path)


def storable_path(path: str) -> str:
    """Return a path for storage: shortened, with secrets and control characters replaced."""
    short = _SECRET.sub(r"\1…", path)[:LONGEST_PATH]
    # PostgreSQL cannot store NUL.
    return short if short.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in short)


def _first(names: dict[str, str], text: str) -> str:
    return next((name for token, name in names.items() if token in text), "")
