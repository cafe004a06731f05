"""Requests made up from the OpenAPI document: every answer is one that the document describes, never a 5xx."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup
from schemathesis.openapi.checks import RejectedPositiveData

from tests.cast import Cast
from tests.helpers import databases

pytestmark = pytest.mark.postgresql_later

SOME, MANY = 3, 60
# What no document can say of a request, by operation and field: it depends on the caller's other keys, on the
# time, and on what of all that Unicode holds can be seen. A run of the library's own command reports these.
_OF_A_NAME = {("name", "You already have a key named"), ("name", "Enter a name for this key")}
SAID_BY_THE_SERVICE = {
    "POST /api/v1/keys": _OF_A_NAME | {("expires_at", "Choose a time in the future")},
    "PATCH /api/v1/keys/{key_id}": _OF_A_NAME
    | {("expires_at", "Choose a time in the future"), ("expires_at", "This key ends earlier")},
}
OAUTH_REFUSALS = {"invalid_request", "invalid_grant", "unsupported_grant_type"}


@pytest.fixture(scope="module")
def ada(migrated_app):
    """Ada, for the whole module: no request here minds what another left."""
    databases.empty(migrated_app)
    return Cast.of(migrated_app).ada


@pytest.fixture
def operations(migrated_app):
    """The operations of the document."""
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", migrated_app)
    return [found.ok() for found in schema.get_all_operations()]


@pytest.fixture(params=["key", "session", "nothing"])
def headers(request, ada):
    """Each credential in turn."""
    # The library does not decompress what a WSGI application compresses.
    plain = {"Accept-Encoding": "identity"}
    if request.param == "nothing":
        return plain
    secret = ada.key().secret if request.param == "key" else ada.session()
    return plain | {"Authorization": f"Bearer {secret}"}


def check(case, headers):
    """Send one request and judge the answer by every rule of the library."""
    # The library must not wait for a refusal because it left out, or spoilt, the credential that we put back.
    case.headers.update(headers)
    response = case.call(headers=headers)
    try:
        case.validate_response(response, headers=headers)
    except FailureGroup as group:
        is_known = all(isinstance(failure, RejectedPositiveData) for failure in group.exceptions)
        if not is_known or not is_said_by_the_service(case.operation.label, response):
            raise


def is_said_by_the_service(label, response):
    """Say whether a refusal names nothing but what no document can say of this operation."""
    if label == "POST /api/v1/device/token":
        # A made-up device code is nobody's; OAuth has words of its own for that, and for missing fields.
        return response.status_code == 400 and response.json()["error"] in OAUTH_REFUSALS
    said = SAID_BY_THE_SERVICE.get(label, set())
    faults = response.json().get("errors", [])
    return (
        response.status_code == 422
        and faults != []
        and all(
            any(fault["field"] == field and fault["message"].startswith(words) for field, words in said)
            for fault in faults
        )
    )


def try_out(operations, headers, mode, examples):
    for operation in operations:

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case):
            check(case, headers)

        ask()


def test_every_rule_of_the_library_is_applied(operations):
    assert operations
    names = {rule.__name__ for rule in CHECKS.get_all()}
    assert {
        "not_a_server_error",
        "status_code_conformance",
        "ignored_auth",
        "negative_data_rejection",
    } <= names


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_documented(operations, headers, mode):
    try_out(operations, headers, mode, SOME)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_documented_at_length(operations, headers, mode):
    try_out(operations, headers, mode, MANY)
