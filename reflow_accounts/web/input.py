"""What no request of ours holds, refused at the door."""

from flask import Flask, abort, request
from werkzeug.datastructures import MultiDict

NUL = "\0"


def bind(app: Flask) -> None:
    """Refuse NUL in addresses, queries and forms: no database of ours stores it."""

    @app.before_request
    def refuse_nul() -> None:
        texts = [request.path, *_all(request.args)]
        if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
            texts += _all(request.form)
        if any(NUL in text for text in texts):
            abort(400, "Leave out NUL characters.")


def _all(fields: MultiDict[str, str]) -> list[str]:
    """Return every name and every value, of repeated names too."""
    return [*fields, *(value for values in fields.listvalues() for value in values)]
