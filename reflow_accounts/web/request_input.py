"""Input of requests: the base class of forms, and limits on body size and characters."""

from collections.abc import Callable
from typing import Any

from flask import Flask, abort, current_app, request
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import Field
from wtforms.widgets import HiddenInput

from reflow_accounts.contract import API_PREFIX
from reflow_accounts.errors import Stale, ValidationFailed
from reflow_accounts.web import text

NUL = "\0"
LARGEST_BODY_BYTES = 64 * 1024


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF is untyped
    """A form without validators, because services validate. Values are used as typed."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]  # as above
        def wrap_formdata(self, form: FlaskForm, formdata: Any) -> Any:
            """Read text fields only: Flask-WTF would also read files and JSON, whose values are no strings."""
            return formdata if isinstance(formdata, MultiDict | None) else request.form or None

    def seen(self) -> dict[str, str]:
        """Return the values that the visible fields had when the form was opened.

        The page sends them along (see the macro `seen_values`); without them, the current values count as seen.
        """
        return {
            field.name: _as_sent(request.form.get(f"seen_{field.name}", field.object_data))
            for field in self._visible()
        }

    def changes(self) -> dict[str, Any]:
        """Return the values that the user changed, so that a page opened long ago overwrites nothing else.

        Raises Stale if one of these fields has been changed to another value since the form was opened.
        """
        changed = {}
        for field, seen in zip(self._visible(), self.seen().values(), strict=True):
            new, current = _as_sent(field.data), _as_sent(field.object_data)
            if new == seen:
                continue
            if current not in (seen, new):
                raise Stale(
                    f"“{field.label.text}” was changed in the meantime. Reload the page, check it and try again."
                )
            changed[field.name] = field.data
        return changed

    def _visible(self) -> list[Field]:
        return [field for field in self if not isinstance(field.widget, HiddenInput)]

    def show(self, failed: ValidationFailed) -> None:
        """Show each message at the field that it names, or at the first visible field."""
        first = self._visible()[0]
        for name, sentence in failed.fields.items():
            self._fields.get(name, first).errors = [sentence]


def _as_sent(value: Any) -> str:
    """Return the value of a field as a form sends it, with spaces as in stored names."""
    return "y" if value is True else text.tidy(str(value or ""))


def takes_any_query(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a view that validates its query itself and passes none of it to a database."""
    view.takes_any_query = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask) -> None:
    """Refuse bodies that are too large, files, and NUL in paths, queries and forms: PostgreSQL cannot store it.

    Registers handlers before each request; they answer with 413 or 400.
    """

    @app.before_request
    def refuse_large() -> None:
        if (request.content_length or 0) > LARGEST_BODY_BYTES:
            abort(413)

    @app.before_request
    def refuse_files() -> None:
        if not request.path.startswith(API_PREFIX) and request.files:
            abort(400, "This site accepts no files. Send each field as text.")

    @app.before_request
    def refuse_nul() -> None:
        texts = [request.path]
        if not getattr(current_app.view_functions.get(request.endpoint or ""), "takes_any_query", False):
            texts += _all(request.args)
        # The API validates its own forms and names the field.
        is_form = request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data")
        if is_form and not request.path.startswith(API_PREFIX):
            texts += _all(request.form)
        if any(NUL in text for text in texts):
            abort(400, "Leave out NUL characters.")


def _all(fields: MultiDict[str, str]) -> list[str]:
    """Return all names and values, including those of repeated names."""
    return [*fields, *(value for values in fields.listvalues() for value in values)]
