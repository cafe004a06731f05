"""Where to go after signing in: only ever a path on this host, as a browser reads it."""

import re
from collections.abc import Callable
from urllib.parse import unquote_plus, urlsplit

from flask import request

from reflow_accounts.web.redaction import holds_secret

# One slash and not a second one, nowhere a backslash (which browsers read as a slash) and no control
# character (which they drop): `//evil.example`, `/\evil.example` and `/<tab>/evil.example` are out.
_LOCAL_PATH = re.compile(r"/(?!/)[^\x00-\x20\x7f\\]*")

Finder = Callable[[], str | None]
_finders: list[Finder] = []


def waits(finder: Finder) -> Finder:
    """Register a function that says which page of its room waits for the browser of this request, if any."""
    _finders.append(finder)
    return finder


def waiting_page() -> str | None:
    """Return the page that waits for this browser since before it signed in, or None."""
    return next((page for find in _finders if (page := find())), None)


def local_path(wanted: str | None) -> str | None:
    """Return `wanted` when it is a path on this host, else None."""
    return wanted if wanted and len(wanted) <= 2000 and _LOCAL_PATH.fullmatch(wanted) else None


def requested_page() -> str | None:
    """Return the path that this request is for, with its query."""
    return _page_of(request.path, request.full_path.removeprefix(request.path).lstrip("?"))


def current_page() -> str | None:
    """Return the path of the page that the person sees: behind an htmx request, the page that sent it."""
    shown = request.headers.get("HX-Current-URL")
    if shown:
        try:
            parts = urlsplit(shown)
        except ValueError:
            return None
        return _page_of(parts.path, parts.query)
    return requested_page() if request.method == "GET" else None


def _page_of(path: str, query: str) -> str | None:
    """Return a page's path with its query, which is left out when a secret was put into it."""
    return local_path(path if not query or holds_secret(unquote_plus(query)) else f"{path}?{query}")
