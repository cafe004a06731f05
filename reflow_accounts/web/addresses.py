"""Whole addresses of our own pages: from the configuration where it says, so that no client makes them up."""

from flask import current_app, url_for


def absolute(endpoint: str) -> str:
    """Return the whole address of an endpoint, under REFLOW_BASE_URL where that is set."""
    base_url: str = current_app.config["SETTINGS"].base_url
    return base_url + url_for(endpoint) if base_url else url_for(endpoint, _external=True)
