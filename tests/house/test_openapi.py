"""The OpenAPI document: valid, whole, and the one that is committed.

`.venv/bin/python -m tests.house.test_openapi` writes the committed one anew.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from reflow_accounts.contract import Code
from tests.helpers import databases
from tests.helpers.api import problem_of
from tests.helpers.routes import belongings

COMMITTED = Path(__file__).with_name("openapi.json")


def document(app) -> dict[str, Any]:
    found: dict[str, Any] = app.test_client().get("/api/v1/openapi.json").json
    return found


def test_document_is_valid(app):
    assert document(app)["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document(app)).iter_errors()) == []


def test_document_equals_the_committed_one(app):
    assert document(app) == json.loads(COMMITTED.read_text("utf-8")), f"Run: python -m {__name__}"


def test_every_endpoint_is_described_with_its_problems(app):
    paths = document(app)["paths"]
    described = {
        (method.upper(), path) for path, item in paths.items() for method in item if method != "parameters"
    }
    routes = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and rule.endpoint != "api-docs.openapi_json"
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert described == routes
    for path, item in paths.items():
        for method, operation in item.items():
            if method != "parameters":
                assert operation["summary"], f"{method} {path}"
                problems = operation["responses"]["default"]
                assert problems, f"{method} {path}"


def operations(app):
    """Return each operation of the document with its method and path."""
    paths = document(app)["paths"].items()
    return [(name, path, item[name]) for path, item in paths for name in item if name != "parameters"]


def test_every_operation_has_an_id_of_its_own(app):
    ids = [operation["operationId"] for _, _, operation in operations(app)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name) for name in ids), ids
    assert {"listKeys", "createKey", "revokeKey"} <= set(ids)


def test_every_email_has_the_format_email(app):
    schemas = document(app)["components"]["schemas"]
    fields = [
        (f"{schema}.{name}", field.get("items", field))
        for schema in schemas
        for name, field in schemas[schema]["properties"].items()
        if name in ("email", "emails")
    ]
    assert len(fields) >= 5
    assert all(field.get("format") == "email" for _, field in fields), fields


def test_booleans_of_bodies_are_true_or_false_alone(app, cast, api):
    ids, schemas = belongings(app, cast), document(app)["components"]["schemas"]
    programs = {True: api(cast.sam.session()), False: api(cast.ada.session())}
    tried = 0
    for method, path, operation in operations(app):
        content = operation.get("requestBody", {"content": {}})["content"].get("application/json")
        fields = schemas[content["schema"]["$ref"].rpartition("/")[2]]["properties"] if content else {}
        for name in [name for name in fields if fields[name].get("type") == "boolean"]:
            address = path.removeprefix("/api/v1").format(**ids)
            for value in (1, 0, 1.0, 0.0, "true", "", [], None):
                body = {other: "as asked for" for other in ("name", "reason") if other in fields}
                response = programs["/support/" in path].send(method.upper(), address, body | {name: value})
                found = problem_of(response, 422, "validation_failed")
                assert [fault["field"] for fault in found["errors"]] == [name], f"{path}: {value}"
                tried += 1
    assert tried >= 16


def test_every_code_is_in_the_document(app):
    problem = document(app)["components"]["schemas"]["Problem"]
    assert set(problem["properties"]["code"]["enum"]) == {code.value for code in Code}


def test_document_is_public_and_names_no_host(app):
    response = app.test_client().get("/api/v1/openapi.json")
    assert response.status_code == 200
    assert "localhost" not in response.text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        fresh = document(databases.application(folder, f"sqlite:///{folder}/reflow.db"))
    COMMITTED.write_text(json.dumps(fresh, indent=1, ensure_ascii=False) + "\n", "utf-8")
