"""Requests generated from the OpenAPI document: every response is as documented and no 5xx."""

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

FEW_EXAMPLES, MANY_EXAMPLES = 3, 60
# What no document can say of a request, by operation and field: it depends on the caller's other keys, on the
# time, and on what of all that Unicode holds can be seen. A run of the library's own command reports these.
_NAME_REFUSALS = {("name", "You already have a key named"), ("name", "Enter a name for this key")}
UNDOCUMENTED_REFUSALS = {
    "POST /api/v1/keys": _NAME_REFUSALS | {("expires_at", "Choose a time in the future")},
    "PATCH /api/v1/keys/{key_id}": _NAME_REFUSALS
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
    return [operation.ok() for operation in schema.get_all_operations()]


@pytest.fixture(params=["key", "session", "nothing"])
def headers(request, ada):
    """Each credential in turn."""
    # The library does not decompress what a WSGI application compresses.
    common = {"Accept-Encoding": "identity"}
    if request.param == "nothing":
        return common
    secret = ada.key().secret if request.param == "key" else ada.session()
    return common | {"Authorization": f"Bearer {secret}"}


def check(case, headers):
    """Send one request and judge the answer by every rule of the library."""
    # The library must not wait for a refusal because it left out, or spoilt, the credential that we put back.
    case.headers.update(headers)
    response = case.call(headers=headers)
    try:
        case.validate_response(response, headers=headers)
    except FailureGroup as group:
        is_expected_type = all(isinstance(failure, RejectedPositiveData) for failure in group.exceptions)
        if not is_expected_type or not is_undocumented_refusal(case.operation.label, response):
            raise


def is_undocumented_refusal(label, response):
    """Say whether a refusal names nothing but what no document can say of this operation."""
    if label == "POST /api/v1/device/token":
        # A made-up device code is nobody's; OAuth has words of its own for that, and for missing fields.
        return response.status_code == 400 and response.json()["error"] in OAUTH_REFUSALS
    refusals = UNDOCUMENTED_REFUSALS.get(label, set())
    errors = response.json().get("errors", [])
    return (
        response.status_code == 422
        and errors != []
        and all(
            any(
                error["field"] == field and error["message"].startswith(message)
                for field, message in refusals
            )
            for error in errors
        )
    )


def check_operations(operations, headers, mode, examples):
    for operation in operations:

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case):
            check(case, headers)

        send()


def test_library_has_the_expected_checks(operations):
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
def test_responses_are_as_documented(operations, headers, mode):
    check_operations(operations, headers, mode, FEW_EXAMPLES)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_responses_are_as_documented_with_many_examples(operations, headers, mode):
    check_operations(operations, headers, mode, MANY_EXAMPLES)
