"""Every request with a valid key is recorded, whatever the response; no other request is (contract, 7)."""

import pytest
from flask import abort

from reflow_accounts.api_keys import service
from reflow_accounts.api_keys.models import ApiKey, KeyRefusal, Use
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.secrets import new_secret
from reflow_accounts.contract import KEY_PREFIX
from reflow_accounts.errors import Conflict
from reflow_accounts.web.error_handlers import problem
from reflow_accounts.web.request_info import client
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.rows import KnownUse

pytestmark = pytest.mark.postgresql_later

# method, path, body -> status, outcome
REQUESTS = [
    ("GET", "/me", None, 200, "accepted"),
    ("HEAD", "/me", None, 200, "accepted"),
    ("OPTIONS", "/me", None, 200, "accepted"),
    ("GET", "/keys", None, 200, "accepted"),
    ("POST", "/keys", {"name": "new"}, 201, "accepted"),
    ("GET", "/activity", None, 200, "accepted"),
    ("GET", "/openapi.json", None, 200, "accepted"),
    ("GET", "/keys/key_missing", None, 404, "not_found"),
    ("GET", "/nothing/here", None, 404, "not_found"),
    ("PUT", "/me", None, 405, "method_not_allowed"),
    ("POST", "/keys", {"name": ""}, 422, "validation_failed"),
    ("POST", "/keys", {"name": "x", "more": 1}, 422, "validation_failed"),
    ("GET", "/keys?limit=x", None, 422, "validation_failed"),
    ("POST", "/sessions", {"email": "a@b.example", "password": "wrong"}, 401, "missing_credentials"),
    ("POST", "/sessions", {}, 422, "validation_failed"),
    ("DELETE", "/sessions/current", None, 403, "insufficient_rights"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "outcome"), REQUESTS)
def test_use_is_recorded_with_its_outcome(app, cast, api, method, path, body, status, outcome):
    key = cast.ada.key("CI")
    program = api(key.secret, **{"User-Agent": "curl/8.1"})
    response = program.send(method, path, body, environ_overrides={"REMOTE_ADDR": "198.51.100.7"})
    assert response.status_code == status
    without_query = "/api/v1" + path.partition("?")[0]
    assert rows.uses_of(app, key.id) == [
        KnownUse(method, without_query, status, outcome, "198.51.100.7", "curl/8.1")
    ]


@pytest.mark.parametrize(
    ("content_type", "data", "status", "outcome"),
    [
        ("text/plain", b"{}", 415, "unsupported_media_type"),
        ("application/json", b"x" * 70_000, 413, "too_large"),
        ("application/json", b"{", 422, "validation_failed"),
    ],
)
def test_request_with_an_unreadable_body_is_recorded(app, cast, api, content_type, data, status, outcome):
    key = cast.ada.key()
    response = api(key.secret).send("POST", "/keys", data=data, content_type=content_type)
    problem_of(response, status, outcome)
    assert [(use.status, use.outcome) for use in rows.uses_of(app, key.id)] == [(status, outcome)]


def test_refusal_for_the_subscription_is_recorded_as_such(app, cast, api):
    key = cast.ada.key()
    cast.acme.unsubscribe()
    for path in ("/me", "/nothing"):
        problem_of(api(key.secret).get(path), 403, "subscription_inactive")
    assert [(use.path, use.status, use.outcome) for use in rows.uses_of(app, key.id)] == [
        ("/api/v1/me", 403, "subscription_inactive"),
        ("/api/v1/nothing", 403, "subscription_inactive"),
    ]


def refuse_by_error():
    raise Conflict("Not now.")


def refuse_by_http_error():
    abort(409)


def refuse_by_response():
    return problem(409, "conflict", "Not now.")


@pytest.mark.parametrize("refuse", [refuse_by_error, refuse_by_http_error, refuse_by_response])
def test_refused_request_changes_nothing_but_is_recorded(app, cast, api, monkeypatch, refuse):
    key = cast.ada.key()
    events = rows.audit_events(app)

    def change_and_refuse():
        service.issue(current_user(), "half made", by=current_user(), client=client())
        assert service.live_key_counts([current_user().id]) == {current_user().id: 2}
        return refuse()

    monkeypatch.setitem(app.view_functions, "keys.create_key", change_and_refuse)
    problem_of(api(key.secret).post("/keys", {"name": "half made"}), 409, "conflict")
    assert rows.count(app, ApiKey) == 1
    assert rows.audit_events(app) == events
    assert [(use.status, use.outcome) for use in rows.uses_of(app, key.id)] == [(409, "conflict")]


def test_requests_with_invalid_keys_are_not_recorded(app, cast, api):
    revoked = cast.ada.key()
    cast.ada.revoke(revoked)
    for secret in (revoked.secret, new_secret(KEY_PREFIX), "x", None, cast.ada.session()):
        for path in ("/me", "/nothing"):
            api(secret).get(path)
        api(secret).post("/sessions", {})
    assert rows.count(app, Use) == 0


def test_refused_key_is_no_refusal_where_none_is_needed(app, cast, api):
    key = cast.ada.key()
    cast.ada.revoke(key)
    assert api(key.secret).get("/openapi.json").status_code == 200
    assert rows.count(app, KeyRefusal) == 0


def test_query_string_is_not_recorded(app, cast, api):
    key = cast.ada.key()
    api(key.secret).get("/keys?cursor=secret-thing")
    assert rows.uses_of(app, key.id)[0].path == "/api/v1/keys"


def test_long_paths_agents_and_methods_are_truncated(app, cast, api):
    key = cast.ada.key()
    api(key.secret, **{"User-Agent": "u" * 5000}).send("M" * 80, "/" + "p" * 3000)
    [use] = rows.uses_of(app, key.id)
    assert (use.method, len(use.path), len(use.user_agent)) == ("M" * 10, 255, 255)
    assert use.status in (404, 405)


def test_long_values_are_truncated_in_the_event_loop_too(app, cast, api):
    key = cast.ada.key()
    program = api(key.secret, **{"User-Agent": "u" * 5000})
    assert program.get("/me", environ_overrides={"REMOTE_ADDR": "a" * 300}).status_code == 200
    [use] = rows.uses_of(app, key.id)
    assert (len(use.address), len(use.user_agent)) == (45, 255)


@pytest.mark.parametrize("path", ["/a%00b", "/keys/%00", "/keys/key_%00x/uses", "/me?a=%00"])
def test_path_with_nul_is_recorded_and_refused(app, cast, api, path):
    key = cast.ada.key()
    problem_of(api(key.secret).get(path), 400, "bad_request")
    assert [use.status for use in rows.uses_of(app, key.id)] == [400]


@pytest.mark.parametrize("path", ["/%ff%fe", "/keys/%F0%9F%92%A9", "/%0d%0aX"])
def test_path_of_unusual_bytes_is_recorded_and_not_found(app, cast, api, path):
    key = cast.ada.key()
    problem_of(api(key.secret).get(path), 404, "not_found")
    assert [use.status for use in rows.uses_of(app, key.id)] == [404]


def test_uses_of_a_key_list_each_use(cast, api):
    key = cast.ada.key("CI")
    api(key.secret, **{"User-Agent": "curl/8.1"}).get("/keys/none")
    [use] = api(cast.ada.session()).get(f"/keys/{key.id}/uses").json["items"]
    assert use == {
        "id": use["id"],
        "at": use["at"],
        "method": "GET",
        "path": "/api/v1/keys/none",
        "status": 404,
        "outcome": "not_found",
        "address": "127.0.0.1",
        "user_agent": "curl/8.1",
        "program": None,
        "key": {"id": key.id, "name": "CI"},
    }
