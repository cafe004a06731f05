"""What no request of ours holds is refused before any view runs."""

from collections.abc import Callable
from typing import Any

from flask import Flask, abort, current_app, request
from werkzeug.datastructures import MultiDict

from reflow_accounts.contract import API_PREFIX

NUL = "\0"
LARGEST_BODY_BYTES = 64 * 1024


def takes_any_query(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a view that gives nothing of its query to a database, and has its own answer to strange ones."""
    view.takes_any_query = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask) -> None:
    """Refuse bodies that are too large, and NUL in addresses, queries and forms: no database of ours stores it."""

    @app.before_request
    def refuse_large() -> None:
        if (request.content_length or 0) > LARGEST_BODY_BYTES:
            abort(413)

    @app.before_request
    def refuse_nul() -> None:
        texts = [request.path]
        if not getattr(current_app.view_functions.get(request.endpoint or ""), "takes_any_query", False):
            texts += _all(request.args)
        # The API reads a form only where it ignores what it does not know, and names the field itself.
        is_form = request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data")
        if is_form and not request.path.startswith(API_PREFIX):
            texts += _all(request.form)
        if any(NUL in text for text in texts):
            abort(400, "Leave out NUL characters.")


def _all(fields: MultiDict[str, str]) -> list[str]:
    """Return every name and every value, of repeated names too."""
    return [*fields, *(value for values in fields.listvalues() for value in values)]
