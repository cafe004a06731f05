"""Forward authentication records the method and path of the original request, within bounds."""

import pytest

from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

AUTHORIZE_PATH = "/api/v1/authorize"


@pytest.fixture
def recorded_for(app, cast, api):
    """`recorded_for(method, uri)`: the recorded method and path, which event loop and Flask have in common."""

    def recorded_for(method=None, uri=None, *, path="/authorize", rights="edit"):
        headers = {"X-Original-Method": method, "X-Original-URI": uri}
        given_headers = {name: value for name, value in headers.items() if value is not None}
        key = cast.ci.key()
        for scheme in ("Bearer", "bearer"):
            program = api(**given_headers, Authorization=f"{scheme} {key.secret}")
            program.get(f"{path}?team={cast.acme.id}&rights={rights}")
        first, second = rows.uses_of(app, key.id)
        assert first == second
        return first.method, first.path

    return recorded_for


def test_authorize_request_is_recorded_without_the_headers(recorded_for):
    assert recorded_for() == ("GET", AUTHORIZE_PATH)


def test_headers_are_independent(recorded_for):
    assert recorded_for("DELETE", "/runs/1") == ("DELETE", "/runs/1")
    assert recorded_for(None, "/runs/1") == ("GET", "/runs/1")
    assert recorded_for("POST", None) == ("POST", AUTHORIZE_PATH)


def test_refused_use_is_recorded_the_same(recorded_for):
    assert recorded_for("PUT", "/runs/1", rights="admin") == ("PUT", "/runs/1")


def test_use_without_a_subscription_is_recorded_the_same(app, cast, api):
    key = cast.ci.key()
    cast.acme.unsubscribe()
    program = api(key.secret, **{"X-Original-Method": "PUT", "X-Original-URI": "/runs/1"})
    problem_of(program.get(f"/authorize?team={cast.acme.id}&rights=edit"), 403, "subscription_inactive")
    [use] = rows.uses_of(app, key.id)
    assert (use.method, use.path, use.outcome) == ("PUT", "/runs/1", "subscription_inactive")


@pytest.mark.parametrize("path", ["/keys", "/me", "/nothing", "/authorize/"])
def test_headers_are_ignored_at_other_paths(recorded_for, path):
    assert recorded_for("PUT", "/runs/1", path=path) == ("GET", f"/api/v1{path}")


@pytest.mark.parametrize(
    ("uri", "recorded"),
    [
        ("/", "/"),
        ("/runs?token=secret", "/runs"),
        ("/runs#secret", "/runs"),
        ("/runs?a#b", "/runs"),
        ("/a?b?c", "/a"),
        ("/a%3Fb", "/a?b"),
        ("https://user:x@tests.example:8443/runs?x=1", "/runs"),  # pragma: allowlist secret
        ("//tests.example/runs", "//tests.example/runs"),
        ("/r%C3%A9sultats", "/résultats"),
        ("/r\u00c3\u00a9sultats", "/résultats"),
        ("/%ff", "/\ufffd"),
        ("/a%00b%0d%0aX%1b[31m", "/a\ufffdb\ufffd\ufffdX\ufffd[31m"),
        ("/a%E2%80%AEb%E2%80%A8c", "/a\ufffdb\ufffdc"),
        ("/a\tb\x7f", "/a\ufffdb\ufffd"),
        ("/" + "p" * 3000, "/" + "p" * 254),
        ("/" + "%F0%9F%92%A9" * 3000, "/" + "💩" * 254),
        ("/%", "/%"),
        ("/keys/rfk_" + "A" * 49, "/keys/rfk_…"),
        ("/keys/%72fk_" + "A" * 49 + "/x", "/keys/rfk_…/x"),
        ("", AUTHORIZE_PATH),
        ("*", AUTHORIZE_PATH),
        ("runs", AUTHORIZE_PATH),
        ("?x=/runs", AUTHORIZE_PATH),
        ("https://tests.example", AUTHORIZE_PATH),
        ("javascript:alert(1)", AUTHORIZE_PATH),
    ],
)
def test_path_is_recorded_without_query_and_control_characters(recorded_for, uri, recorded):
    assert recorded_for("GET", uri) == ("GET", recorded)


@pytest.mark.parametrize(
    ("method", "recorded"),
    [
        ("PATCH", "PATCH"),
        ("M-SEARCH", "M-SEARCH"),
        ("", "GET"),
        ("get", "GET"),
        ("GET POST", "GET"),
        ("DELETE\t", "GET"),
        ("M" * 11, "GET"),
        ("É", "GET"),
        ("<b>", "GET"),
        ("-", "GET"),
    ],
)
def test_invalid_method_is_not_recorded(recorded_for, method, recorded):
    assert recorded_for(method, "/runs") == (recorded, "/runs")


def test_uses_and_activity_show_the_original_request(cast, api):
    key = cast.ada.key()
    headers = {"X-Original-Method": "POST", "X-Original-URI": "/runs?token=x"}
    api(key.secret, **headers).get(f"/authorize?team={cast.acme.id}&rights=edit")
    session = api(cast.ada.session())
    [use] = session.get(f"/keys/{key.id}/uses").json["items"]
    assert (use["method"], use["path"], use["status"]) == ("POST", "/runs", 204)
    uses = [entry["use"] for entry in session.get("/activity").json["items"] if entry["use"]]
    assert [(use["method"], use["path"]) for use in uses] == [("POST", "/runs")]
