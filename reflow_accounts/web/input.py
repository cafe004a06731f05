"""What no request of ours holds, refused at the door."""

from flask import Flask, abort, request

NUL = "\0"


def bind(app: Flask) -> None:
    """Refuse NUL in addresses, queries and forms: no database of ours stores it."""

    @app.before_request
    def refuse_nul() -> None:
        texts = [request.path, *request.args, *request.args.values()]
        if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
            texts += [*request.form, *(value for values in request.form.listvalues() for value in values)]
        if any(NUL in text for text in texts):
            abort(400, "Leave out NUL characters.")
