"""Malicious input is refused with the right problem and causes no server error."""

import json

import pytest

from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

NESTED = "[" * 20_000
BODIES = [
    NESTED,
    NESTED + "]" * 20_000,
    '{"name":' * 5000,
    '{"name":' + "[" * 40 + "]" * 40 + "}",
    '{"name": "\\u0000"}',
    '{"name": "\\ud800"}',
    '{"\\ud800": 1, "name": "x"}',
    '{"name": NaN}',
    '{"name": Infinity}',
    '{"name": ' + "9" * 5000 + "}",
    '{"name": 1e400}',
    '{"name": "a", "name": "b"}',
    '{"name": {"a": 1, "a": 2}}',
    '{"name": "x", "is_admin": true}',
    '{"name": "x", "user_id": 1}',
    '{"__proto__": {}}',
    '{"name": "x"} trailing',
    "[]",
    '["name"]',
    "null",
    "true",
    "5",
    '"name"',
    "",
    " ",
    "{",
    "{'name': 'x'}",
    "\ufeff[]",
    "<xml/>",
]


@pytest.fixture
def ada(cast, api):
    return api(cast.ada.session())


@pytest.mark.parametrize("number", range(len(BODIES)))
@pytest.mark.parametrize("path", ["/keys", "/sessions"])
def test_malformed_body_is_refused(ada, path, number):
    body = BODIES[number].encode("utf-8", "surrogatepass")
    response = ada.send("POST", path, data=body, content_type="application/json")
    problem = problem_of(response, 422, "validation_failed")
    assert problem["errors"]
    assert all(set(error) == {"field", "message"} for error in problem["errors"])


@pytest.mark.parametrize(
    "body",
    [
        '{"name": NaN}',
        '{"name": -Infinity}',
        '{"name": "a", "name": "b"}',
        '{"name":' + "[" * 40 + "]" * 40 + "}",
        NESTED,
        "[]",
        "null",
    ],
)
def test_body_must_be_a_plain_object(ada, body):
    response = ada.send("POST", "/keys", data=body.encode(), content_type="application/json")
    [error] = problem_of(response, 422, "validation_failed")["errors"]
    assert error["field"] == "body"
    assert error["message"].startswith("Send one JSON object")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"name": "\xe9"}', "this is not UTF-8"),
        (b'{"name": "a"\n"b"}', "this is not JSON, at line 2, column 1"),
        (b"", "this is not JSON, at line 1, column 1"),
        (b'{"a": 1, "a": 2}', "without repeated names"),
    ],
)
def test_refusal_of_a_body_gives_the_reason(ada, body, reason):
    response = ada.send("POST", "/keys", data=body, content_type="application/json")
    [error] = problem_of(response, 422, "validation_failed")["errors"]
    assert reason in error["message"]


@pytest.mark.parametrize("email", ["a\0b@acme.example", "\ud800@acme.example"])
def test_text_that_cannot_be_stored_is_refused_at_its_field(ada, email):
    problem = problem_of(ada.post("/sessions", {"email": email, "password": "x"}), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["email"]


@pytest.mark.parametrize("body", [b"\xff\xfe", b"\x80", b"\x00\x00\x00{", b"{\x00}", b'{"name": "\xff"}'])
def test_invalid_encoding_is_refused(ada, body):
    problem_of(
        ada.send("POST", "/keys", data=body, content_type="application/json"), 422, "validation_failed"
    )


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml", "", None],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/keys"), ("POST", "/sessions"), ("PATCH", "/keys/{id}")]
)
def test_other_content_type_is_refused(cast, ada, method, path, content_type):
    url = path.format(id=cast.ada.key().id)
    response = ada.send(method, url, data=b'{"name": "x"}', content_type=content_type)
    problem_of(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.x+json"]
)
def test_json_media_types_are_accepted(ada, content_type):
    assert ada.send("POST", "/keys", data=b'{"name": "x"}', content_type=content_type).status_code == 201


@pytest.mark.parametrize("size", [65_537, 1_000_000])
def test_body_above_64_kilobytes_is_refused(ada, size):
    body = json.dumps({"name": "x" * size}).encode()
    problem_of(ada.send("POST", "/keys", data=body, content_type="application/json"), 413, "too_large")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/me", {"GET"}),
        ("PUT", "/keys", {"GET", "POST"}),
        ("DELETE", "/keys", {"GET", "POST"}),
        ("POST", "/keys/key_x", {"GET", "PATCH", "DELETE"}),
        ("GET", "/sessions", {"POST"}),
        ("TRACE", "/me", {"GET"}),
        ("PROPFIND", "/me", {"GET"}),
    ],
)
def test_unsupported_method_is_405_with_the_allowed_ones(ada, method, path, allowed):
    response = ada.send(method, path)
    problem_of(response, 405, "method_not_allowed")
    assert allowed <= {name.strip() for name in response.headers["Allow"].split(",")}


@pytest.mark.parametrize("field", ["is_staff", "id", "secret", "digest", "revoked_at", "use_count", "user"])
def test_unknown_and_read_only_fields_are_refused(cast, ada, field):
    key = cast.ada.key("CI")
    for response in (
        ada.post("/keys", {"name": "x", field: 1}),
        ada.patch(f"/keys/{key.id}", {"name": "x", field: 1}),
    ):
        problem = problem_of(response, 422, "validation_failed")
        assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    "value", ["x", "2026", "0000-00-00T00:00:00Z", "2026-01-01T00:00:00", "9" * 5000, "-1"]
)
def test_invalid_time_bound_is_refused(ada, name, value):
    problem = problem_of(ada.get("/activity", query_string={name: value}), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == [name]


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59.999999Z"]
)
@pytest.mark.parametrize("path", ["/activity", "/keys/{id}/uses"])
def test_distant_time_bound_is_accepted(cast, ada, path, value):
    url = path.format(id=cast.ada.key().id)
    assert ada.get(url, query_string={"since": value}).status_code == 200
    assert ada.get(url, query_string={"until": value}).status_code == 200


def test_time_at_the_edge_of_the_calendar_causes_no_error(ada):
    for first, last in (("since", "until"), ("until", "since")):
        bounds = {first: "0001-01-01T00:00:00+23:59", last: "9999-12-31T23:59:59-23:59"}
        assert ada.get("/activity", query_string=bounds).status_code == 200
    problem_of(
        ada.post("/keys", {"name": "x", "expires_at": "0001-01-01T00:00:00+23:59"}), 422, "validation_failed"
    )
    assert ada.post("/keys", {"name": "x", "expires_at": "9999-12-31T23:59:59-23:59"}).status_code == 201


@pytest.mark.parametrize("key", ["key_x", "\x00", "%00", "é", "x" * 5000, "' OR 1=1 --"])
def test_invalid_key_id_as_filter_is_refused(ada, key):
    response = ada.get("/activity", query_string={"key": key})
    assert response.status_code in (400, 404, 422)


def test_field_is_read_from_its_own_place_only(cast, ada, client):
    """Neither the query nor a cookie fills in a body, and of two values the first counts (ASVS 5.0, 15.3.7)."""
    body = ada.send("POST", "/keys", {}, query_string={"name": "from the query"})
    problem_of(body, 422, "validation_failed")
    problem_of(ada.get("/keys", data={"limit": "1"}, query_string={"name": "x"}), 422, "validation_failed")
    for name in ("a", "b"):
        ada.post("/keys", {"name": name})
    assert len(ada.get("/keys", query_string=[("limit", "1"), ("limit", "200")]).json["items"]) == 1
    credentials = {"email": cast.ada.email, "password": cast.ada.password}
    client.set_cookie("email", cast.ada.email)
    response = client.post("/login", query_string=credentials, data={"csrf_token": client.csrf_token()})
    assert response.status_code == 422
    token = {"csrf_token": client.csrf_token()}
    # Handled like a form of an old session: the form is shown again.
    assert client.post("/login", query_string=token, data=credentials).location == "/login"
    assert client.get("/account/profile").location.startswith("/login")


def test_user_agent_is_truncated(app, cast, api):
    from tests.helpers import rows

    key = cast.ada.key()
    for path in ("/me", "/keys"):
        api(key.secret, **{"User-Agent": "x" * 5000}).get(path)
    assert [len(use.user_agent) for use in rows.uses_of(app, key.id)] == [255, 255]


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v2/me"])
def test_unknown_api_version_requires_a_credential_too(client, path):
    problem_of(client.get(path), 401, "missing_credentials")


def test_title_of_a_problem_depends_only_on_its_code(ada, cast, api):
    """RFC 9457, 3.1.3."""
    key = api(cast.ada.key().secret)
    pairs = [
        ("not_found", ada.get("/nothing"), ada.get("/keys/key_nothing")),
        ("not_found", ada.get("/support/teams"), ada.get("/teams/team_nothing")),
        ("insufficient_rights", key.delete("/sessions/current"), ada.get("/authorize?team=x&rights=edit")),
        (
            "bad_request",
            ada.post("/device/token", {}),
            ada.get("/keys?cursor=%00"),
        ),
    ]
    for code, first_response, second_response in pairs:
        assert (
            problem_of(first_response, first_response.status_code, code)["title"]
            == problem_of(second_response, second_response.status_code, code)["title"]
        )


def test_unknown_path_is_404_with_an_explanation(ada):
    """The support API looks like an unknown path to other people."""
    unknown, support = ada.get("/nothing"), ada.get("/support/teams")
    assert problem_of(unknown, 404, "not_found")["detail"] == "There is nothing at this address of the API."
    assert support.json == unknown.json
