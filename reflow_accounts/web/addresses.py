"""Whole addresses of our own pages: from the configuration where it says, so that no client makes them up."""

from flask import current_app, request, url_for


def absolute(endpoint: str) -> str:
    """Return the whole address of an endpoint, under REFLOW_BASE_URL where that is set."""
    base_url: str = current_app.config["SETTINGS"].base_url
    return base_url + url_for(endpoint) if base_url else url_for(endpoint, _external=True)


def origin() -> str:
    """Return the origin of our pages, as a browser names it: configured, or in development the request's."""
    base_url: str = current_app.config["SETTINGS"].base_url
    return base_url or request.host_url.rstrip("/")
