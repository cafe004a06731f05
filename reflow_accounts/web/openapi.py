"""Base of the JSON API: fields, schemas, body parser and OpenAPI 3.1 document."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NoReturn

import marshmallow as ma
from flask import Request
from flask_smorest import Api, Blueprint
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType

from reflow_accounts.contract import API_PREFIX, Code
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.web.error_handlers import OAUTH, PROBLEM_TYPE
from reflow_accounts.web.filters import rfc3339
from reflow_accounts.web.pagination import DEFAULT_LIMIT, HIGHEST_LIMIT, NOT_A_CURSOR, cursor_pattern

FORM_TYPE = "application/x-www-form-urlencoded"
# Deeper than any valid body, below the recursion limit of Python.
DEEPEST_JSON = 32


class Moment(ma.fields.AwareDateTime):
    """A time: RFC 3339, UTC, microseconds."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", default_timezone=None, **kwargs)

    def _serialize(self, value: datetime | None, *args: Any, **kwargs: Any) -> str | None:
        return rfc3339(value.astimezone(UTC)) if value else None

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> datetime:
        try:
            at = super()._deserialize(value, *args, **kwargs)
        except ma.ValidationError as error:
            raise ma.ValidationError("Write a time as 2026-11-23T16:40:51Z.") from error
        try:
            return at.astimezone(UTC)
        except OverflowError:
            # Beyond the range of datetime: the nearest limit has the same effect.
            return (datetime.min if at.year == 1 else datetime.max).replace(tzinfo=UTC)


class Text(ma.fields.String):
    """A string without NUL and lone surrogates, which databases cannot store."""

    def __init__(self, *, metadata: Mapping[str, Any] = MappingProxyType({}), **kwargs: Any) -> None:
        super().__init__(metadata={"pattern": r"^[^\x00]*$", **metadata}, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, *args, **kwargs)
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise ma.ValidationError("Leave out NUL and broken characters.")
        return text


class Flag(ma.fields.Boolean):
    """JSON true or false; no other value such as 1."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ma.ValidationError("Write true or false.")
        return value


class WholeNumber(ma.fields.Integer):
    """A JSON integer, which may be written as 5.0 (JSON Schema, 6.1.1); no text and no boolean."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ma.ValidationError("Write a whole number.")
        return super()._deserialize(value, *args, **kwargs)


class Schema(ma.Schema):
    """Base schema: unknown fields are refused (OWASP ASVS 5.0, 15.3.3)."""

    class Meta:
        unknown = ma.RAISE


class ErrorItem(Schema):
    field = ma.fields.String(required=True)
    message = ma.fields.String(required=True)


class Problem(Schema):
    """A problem document (RFC 9457)."""

    type = ma.fields.Url(required=True)
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    detail = ma.fields.String(required=True)
    code = ma.fields.String(required=True, validate=ma.validate.OneOf([code.value for code in Code]))
    errors = ma.fields.List(
        ma.fields.Nested(ErrorItem), metadata={"description": "One for each invalid field"}
    )
    request_id = ma.fields.String(metadata={"description": "Quote this id to support"})
    otp_required = ma.fields.Boolean(
        metadata={"description": "The password is correct; send the code of the second factor, too"}
    )
    error = ma.fields.String(
        metadata={"description": "The OAuth 2.0 error code (RFC 6749, 5.2; RFC 8628, 3.5)"}
    )
    revoked_at = Moment()
    expired_at = Moment()
    replaced_by = ma.fields.String(metadata={"description": "The id of the key that replaced this one"})


def cursor_field(size: int) -> Text:
    """Return the field for a cursor of `size` numbers."""
    return Text(
        validate=ma.validate.Regexp(cursor_pattern(size), error=NOT_A_CURSOR),
        metadata={"description": "The next_cursor of the previous page", "pattern": cursor_pattern(size)},
    )


class PageQuery(Schema):
    """Query of a list: page size."""

    limit = ma.fields.Integer(load_default=DEFAULT_LIMIT, validate=ma.validate.Range(1, HIGHEST_LIMIT))


class PeriodQuery(PageQuery):
    """Query of a list: page size and period."""

    since = Moment(metadata={"description": "Only entries from this time on"})
    until = Moment(metadata={"description": "Only entries before this time"})


@cache
def page_of(item: type[Schema]) -> type[Schema]:
    """Return the schema of a page of `item`."""
    fields = {
        "items": ma.fields.List(ma.fields.Nested(item), required=True),
        "next_cursor": ma.fields.String(required=True, allow_none=True),
    }
    return type(f"{item.__name__}Page", (Schema,), fields)


class BodyParser(FlaskParser):
    """Parses JSON bodies; refuses ambiguous JSON such as repeated names."""

    # RFC 6749, 3.2: unknown parameters are ignored.
    DEFAULT_UNKNOWN_BY_LOCATION = {"json": ma.RAISE, "query": ma.RAISE, OAUTH: ma.EXCLUDE}
    __location_map__ = FlaskParser.__location_map__ | {OAUTH: "load_oauth"}

    def load_oauth(self, request: Request, schema: ma.Schema) -> Any:
        """Return the fields of a form, as OAuth clients send them, or of a JSON object; an empty body is {}."""
        if request.mimetype == FORM_TYPE:
            if any(len(request.form.getlist(name)) > 1 for name in schema.fields):
                raise ValidationFailed(body="Send each field once")
            return request.form.to_dict()
        return self.load_json(request, schema) if request.get_data() else {}

    def load_json(self, request: Request, schema: ma.Schema) -> Any:
        if not request.is_json:
            raise UnsupportedMediaType()
        try:
            body = json.loads(request.get_data(), object_pairs_hook=_unique, parse_constant=_refuse)
        except UnicodeDecodeError:
            raise ValidationFailed(body="Send one JSON object; this is not UTF-8") from None
        except json.JSONDecodeError as error:
            fault = f"this is not JSON, at line {error.lineno}, column {error.colno}"
            raise ValidationFailed(body=f"Send one JSON object; {fault}") from None
        except (ValueError, RecursionError):
            raise ValidationFailed(
                body="Send one JSON object, without repeated names, NaN and Infinity"
            ) from None
        if not isinstance(body, dict) or _depth(body) > DEEPEST_JSON:
            raise ValidationFailed(body="Send one JSON object")
        return body


class ApiBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest is untyped
    """Blueprint of API endpoints. Each operationId is the name of the view in camel case: `createKey`."""

    ARGUMENTS_PARSER = BodyParser()
    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING = Blueprint.DEFAULT_LOCATION_CONTENT_TYPE_MAPPING | {
        OAUTH: FORM_TYPE
    }

    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        """Register a view and document it with its operationId."""
        first, *others = view_func.__name__.split("_")
        name = first + "".join(word.capitalize() for word in others)
        super().add_url_rule(rule, endpoint, self.doc(operationId=name)(view_func), *args, **kwargs)


class ProblemApi(Api):  # type: ignore[misc]  # flask-smorest is untyped
    """API that documents errors as problem documents and leaves their handling to `web.error_handlers`."""

    def _register_error_handlers(self) -> None:
        """Register nothing: `web.error_handlers` handles all errors."""

    def _register_responses(self) -> None:
        content = {PROBLEM_TYPE: {"schema": self.ma_plugin.resolver.resolve_schema_dict(Problem)}}
        for status in HTTPStatus:
            has_body = status >= 200 and status not in (204, 304)
            document = {"description": status.phrase} | ({"content": content} if has_body else {})
            self.spec.components.response(status.name, document, lazy=True)
        default = {"description": "A problem", "content": content}
        self.spec.components.response("DEFAULT_ERROR", default, lazy=True)


api = ProblemApi()

SETTINGS = {
    "API_TITLE": "Reflow Accounts",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": API_PREFIX,
    "OPENAPI_JSON_PATH": "openapi.json",
    "API_SPEC_OPTIONS": {
        "info": {"description": "API keys and their uses, sessions, teams and subscriptions."},
        "components": {
            "securitySchemes": {
                "secret": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (rfk_…) or the secret of a session of the reflow command (rfs_…).",
                }
            }
        },
        "security": [{"secret": []}],
    },
}


def open_to_all(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark an endpoint that needs no credential, for the API's before-request handler."""
    view.is_open_to_all = True  # type: ignore[attr-defined]
    return view


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is repeated")
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (
                outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ()
            )
        ]
    return depth
