"""Whole addresses of our own pages: from the configuration where it says, so that no client makes them up."""

import os

from flask import current_app, has_request_context, request, url_for

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 5000


def absolute(endpoint: str, **values: str) -> str:
    """Return the whole address of an endpoint for a page: in development, at the host that was asked."""
    if has_request_context() and not _base_url():
        return url_for(endpoint, _external=True, **values)
    return configured(endpoint, **values)


def configured(endpoint: str, **values: str) -> str:
    """Return the whole address of an endpoint for a mail: never made from what a request said.

    Under REFLOW_BASE_URL; in development, where it may be missing, at the HOST and PORT of `serve`.
    """
    path = current_app.url_map.bind("").build(endpoint, values)
    host, port = os.environ.get("HOST") or DEFAULT_HOST, os.environ.get("PORT") or DEFAULT_PORT
    return (_base_url() or listening(host, port)) + path


def origin() -> str:
    """Return the origin of our pages, as a browser names it: configured, or in development the request's."""
    return _base_url() or request.host_url.rstrip("/")


def listening(host: str, port: int | str) -> str:
    """Return the address of a server that listens there."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _base_url() -> str:
    base_url: str = current_app.config["SETTINGS"].base_url
    return base_url
