"""Client of a request: address, user agent and device; the path without secrets."""

import re
from dataclasses import dataclass

from flask import request
from werkzeug.http import parse_list_header

from reflow_accounts.contract import KEY_PREFIX, SESSION_PREFIX

LONGEST_ADDRESS = 45
LONGEST_METHOD = 10
LONGEST_USER_AGENT = 255
LONGEST_PATH = 255

# Keys, sessions, and the signature of a mailed link.
_SECRET = re.compile(rf"({KEY_PREFIX}|{SESSION_PREFIX}|lnk_[0-9A-Za-z]+\.)[0-9A-Za-z_-]+")

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
    """Source of a request. `address` is that of the peer or, with configured proxies, the forwarded one."""

    address: str
    user_agent: str

    @property
    def device(self) -> str:
        """The program and system, such as "Firefox on Linux"."""
        program = _first(_PROGRAMS, self.user_agent)
        # The CLI names its system in the first brackets; later text may be anything, such as a CI repository.
        is_ours = self.user_agent.startswith("reflow/")
        system = _first(_SYSTEMS, self.user_agent.partition(")")[0] if is_ours else self.user_agent)
        return " on ".join(word for word in (program, system) if word) or "Unknown device"


def client() -> Client:
    """Return the client of the current request."""
    return Client(
        address=(request.remote_addr or "")[:LONGEST_ADDRESS],
        user_agent=request.headers.get("User-Agent", "")[:LONGEST_USER_AGENT],
    )


def forwarded(header: str, proxies: int) -> str:
    """Return the value that the outermost of `proxies` trusted proxies put into an `X-Forwarded-…` header, or "".

    Same rule as werkzeug's ProxyFix: each proxy appends a value; earlier values come from the client.
    """
    values = parse_list_header(header)
    return values[-proxies] if len(values) >= proxies else ""


def path() -> str:
    """Return the path of the request for storage (see `storable_path`)."""
    return storable_path(request.path)


def storable_path(path: str) -> str:
    """Return a path for storage: shortened, with secrets and control characters replaced."""
    short = _SECRET.sub(r"\1…", path)[:LONGEST_PATH]
    # PostgreSQL cannot store NUL.
    return short if short.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in short)


def _first(names: dict[str, str], text: str) -> str:
    return next((name for mark, name in names.items() if mark in text), "")
