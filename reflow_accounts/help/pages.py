"""The help pages, and the operations and schemas of the API help."""

import re
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template
from markupsafe import Markup, escape

from reflow_accounts.contract import Exit
from reflow_accounts.distribution import downloads
from reflow_accounts.help.privacy import STORED_DATA
from reflow_accounts.web.openapi import api as openapi
from reflow_accounts.web.redirects import absolute

_CODE = re.compile(r"`([^`]+)`")
# Titles of schemas whose names are unclear without the suffix.
_NAMES = {"NewKeyOut": "New key with its secret", "InvitationsOut": "Sent invitations"}
_METHODS = ("get", "post", "put", "patch", "delete")

pages = Blueprint("help", __name__)


@dataclass(frozen=True)
class Field:
    """A member of a JSON object or a parameter."""

    name: str
    type: str
    is_required: bool
    description: str


@dataclass(frozen=True)
class Operation:
    """One endpoint and method."""

    method: str
    path: str
    summary: str
    description: str
    needs_secret: bool
    parameters: list[Field]
    body: str
    status: str
    response: str

    @property
    def anchor(self) -> str:
        return f"{self.method}{self.path}".lower().replace("/", "-").replace("{", "").replace("}", "")


def operations(document: dict[str, Any]) -> list[Operation]:
    """Return the operations of a document, sorted by path."""
    return [
        _operation(document, method, path, item)
        for path, item in sorted(document["paths"].items())
        for method in _METHODS
        if method in item
    ]


def schemas(document: dict[str, Any]) -> dict[str, list[Field]]:
    """Return the fields of each schema by its name."""
    named = document["components"].get("schemas", {})
    return {
        title: [
            Field(name, _type(member), name in schema.get("required", []), member.get("description", ""))
            for name, member in schema.get("properties", {}).items()
        ]
        for title, schema in sorted(named.items())
    }


def readable(name: str) -> str:
    """Return the title of a schema: "Key" for KeyOut, "Key list" for KeyOutPage."""
    if name in _NAMES:
        return _NAMES[name]
    base = name.removesuffix("Page").removesuffix("Out")
    title = re.sub(r"(?<!^)(?=[A-Z])", " ", base).capitalize()
    return f"{title} list" if name.endswith("Page") else title


def formatted(text: str) -> Markup:
    """Return a description as HTML, with text in backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped


def _operation(document: dict[str, Any], method: str, path: str, item: dict[str, Any]) -> Operation:
    operation = item[method]
    parameters = [
        _resolve(document, parameter)
        for parameter in [*item.get("parameters", []), *operation.get("parameters", [])]
    ]
    status = next(status for status in operation["responses"] if status.startswith("2"))
    return Operation(
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        needs_secret=operation.get("security") != [],
        parameters=[
            Field(
                parameter["name"],
                _type(parameter["schema"]),
                parameter.get("required", False),
                parameter.get("description", ""),
            )
            for parameter in parameters
        ],
        body=_schema_name(operation.get("requestBody", {})),
        status=status,
        response=_schema_name(operation["responses"][status]),
    )


def _resolve(document: dict[str, Any], parameter: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in parameter:
        return parameter
    target: Any = document
    for step in parameter["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return dict(target)


def _schema_name(holder: dict[str, Any]) -> str:
    """Return the schema name of a request or response body, or ""."""
    for content in holder.get("content", {}).values():
        return str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
    return ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return readable(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"] if value is not None)
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    return "time" if schema.get("format") == "date-time" else str(kind)


@pages.get("/help/api-keys")
def api_keys() -> str:
    """Explain API keys."""
    return render_template("help/api_keys.html")


@pages.get("/help/cli")
def cli() -> str:
    """Explain the `reflow` command."""
    return render_template("help/cli.html", exits=Exit, files=downloads())


@pages.get("/help/api")
def api() -> str:
    """Show the API reference, generated from the OpenAPI document."""
    document = openapi.spec.to_dict()
    context: dict[str, object] = {
        "operations": operations(document),
        "schemas": schemas(document),
        "absolute": absolute,
    }
    context |= {"readable": readable, "formatted": formatted}
    return render_template("help/api.html", **context)


@pages.get("/privacy")
def privacy() -> str:
    """Explain which data and cookies the site stores."""
    return render_template("help/privacy.html", stored_data=STORED_DATA)
