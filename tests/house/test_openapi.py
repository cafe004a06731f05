"""The OpenAPI document: valid, whole, and the one that is committed.

`.venv/bin/python -m tests.house.test_openapi` writes the committed one anew.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from reflow_accounts.contract import Code
from tests.helpers import databases

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


def test_every_code_is_in_the_document(app):
    problem = document(app)["components"]["schemas"]["Problem"]
    assert set(problem["properties"]["code"]["enum"]) == {code.value for code in Code}


def test_document_is_public_and_names_no_host(app):
    answer = app.test_client().get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert "localhost" not in answer.text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        fresh = document(databases.application(folder, f"sqlite:///{folder}/reflow.db"))
    COMMITTED.write_text(json.dumps(fresh, indent=1, ensure_ascii=False) + "\n", "utf-8")
