"""URLs of our own pages: absolute URLs from the configuration, and safe local paths to redirect to."""

import os
import re
from collections.abc import Callable
from urllib.parse import unquote_plus, urlsplit

from flask import current_app, has_request_context, request, url_for

from reflow_accounts.config import DEFAULT_HOST, DEFAULT_PORT
from reflow_accounts.web.text import holds_secret

# Refuses `//evil.example`, `/\evil.example` (browsers read a backslash as a slash) and `/<tab>/evil.example`
# (browsers drop control characters).
_LOCAL_PATH = re.compile(r"/(?!/)[^\x00-\x20\x7f\\]*")

Finder = Callable[[], str | None]
_finders: list[Finder] = []


def continues_after_sign_in(finder: Finder) -> Finder:
    """Register a function that returns the page to continue on after sign-in, or None."""
    _finders.append(finder)
    return finder


def page_after_sign_in() -> str | None:
    """Return the page on which this browser continues after sign-in, or None."""
    return next((page for find in _finders if (page := find())), None)


def local_path(value: str | None) -> str | None:
    """Return `value` when it is a path on this host, else None."""
    return value if value and len(value) <= 2000 and _LOCAL_PATH.fullmatch(value) else None


def requested_page() -> str | None:
    """Return path and query of the current request, or None when it is no local path.

    For a download this is the page that offers it: the browser would go on showing the page before the download.
    """
    query = request.full_path.removeprefix(request.path).lstrip("?")
    return _page_of(request.path.removesuffix("/export"), query)


def current_page() -> str | None:
    """Return the path of the page in the browser: for a form or an htmx request, that of the page that sent it."""
    url = request.headers.get("HX-Current-URL")
    if url:
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        return _page_of(parts.path, parts.query)
    return requested_page() if request.method == "GET" else previous_page()


def previous_page() -> str | None:
    """Return the path of our page that sent this request, according to its Referer, or None."""
    try:
        parts = urlsplit(request.referrer or "")
    except ValueError:
        return None
    return _page_of(parts.path, parts.query) if parts.netloc == request.host else None


def _page_of(path: str, query: str) -> str | None:
    """Return a page's path with its query, without a query that contains a secret; None if it is no local path."""
    return local_path(path if not query or holds_secret(unquote_plus(query)) else f"{path}?{query}")


def absolute(endpoint: str, **values: str) -> str:
    """Return the absolute URL of an endpoint for a page; in development, on the host of the request."""
    if has_request_context() and not _base_url():
        return url_for(endpoint, _external=True, **values)
    return configured(endpoint, **values)


def configured(endpoint: str, **values: str) -> str:
    """Return the absolute URL of an endpoint for a mail, independent of the request.

    It is under REFLOW_BASE_URL; in development, where that may be missing, on HOST and PORT of `serve`.
    """
    path = current_app.url_map.bind("").build(endpoint, values)
    host, port = os.environ.get("HOST") or DEFAULT_HOST, os.environ.get("PORT") or DEFAULT_PORT
    return (_base_url() or listening(host, port)) + path


def origin() -> str:
    """Return the origin of our pages: the configured one, or in development that of the request."""
    return _base_url() or request.host_url.rstrip("/")


def listening(host: str, port: int | str) -> str:
    """Return the URL of a server that listens on `host` and `port`."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _base_url() -> str:
    base_url: str = current_app.config["SETTINGS"].base_url
    return base_url
