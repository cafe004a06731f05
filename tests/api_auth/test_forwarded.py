"""A use that a proxy asks about is recorded as that request: its method and its path, within bounds."""

import pytest

from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

OURS = "/api/v1/authorize"


@pytest.fixture
def ask(app, cast, api):
    """`ask(method, uri)`: the method and the path that are recorded, the same before Flask and in it."""

    def ask(method=None, uri=None, *, path="/authorize", rights="edit"):
        said = {"X-Original-Method": method, "X-Original-URI": uri}
        sent = {name: value for name, value in said.items() if value is not None}
        key = cast.ci.key()
        for word in ("Bearer", "bearer"):
            program = api(**sent, Authorization=f"{word} {key.secret}")
            program.get(f"{path}?team={cast.acme.id}&rights={rights}")
        one, other = rows.uses_of(app, key.id)
        assert one == other
        return one.method, one.path

    return ask


def test_without_the_headers_it_is_the_question_itself(ask):
    assert ask() == ("GET", OURS)


def test_each_header_counts_by_itself(ask):
    assert ask("DELETE", "/runs/1") == ("DELETE", "/runs/1")
    assert ask(None, "/runs/1") == ("GET", "/runs/1")
    assert ask("POST", None) == ("POST", OURS)


def test_refused_use_is_described_in_the_same_way(ask):
    assert ask("PUT", "/runs/1", rights="admin") == ("PUT", "/runs/1")


def test_refused_use_is_also_described(app, cast, api):
    key = cast.ci.key()
    cast.acme.unsubscribe()
    program = api(key.secret, **{"X-Original-Method": "PUT", "X-Original-URI": "/runs/1"})
    problem_of(program.get(f"/authorize?team={cast.acme.id}&rights=edit"), 403, "subscription_inactive")
    [use] = rows.uses_of(app, key.id)
    assert (use.method, use.path, use.outcome) == ("PUT", "/runs/1", "subscription_inactive")


@pytest.mark.parametrize("path", ["/keys", "/me", "/nothing", "/authorize/"])
def test_at_every_other_address_the_headers_mean_nothing(ask, path):
    assert ask("PUT", "/runs/1", path=path) == ("GET", f"/api/v1{path}")


@pytest.mark.parametrize(
    ("uri", "kept"),
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
        ("", OURS),
        ("*", OURS),
        ("runs", OURS),
        ("?x=/runs", OURS),
        ("https://tests.example", OURS),
        ("javascript:alert(1)", OURS),
    ],
)
def test_path_alone_is_kept_and_cannot_forge_a_line(ask, uri, kept):
    assert ask("GET", uri) == ("GET", kept)


@pytest.mark.parametrize(
    ("method", "kept"),
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
def test_method_is_one_or_is_not_kept(ask, method, kept):
    assert ask(method, "/runs") == (kept, "/runs")


def test_log_of_the_key_and_the_activity_show_it(cast, api):
    key = cast.ada.key()
    said = {"X-Original-Method": "POST", "X-Original-URI": "/runs?token=x"}
    api(key.secret, **said).get(f"/authorize?team={cast.acme.id}&rights=edit")
    session = api(cast.ada.session())
    [use] = session.get(f"/keys/{key.id}/uses").json["items"]
    assert (use["method"], use["path"], use["status"]) == ("POST", "/runs", 204)
    uses = [entry["use"] for entry in session.get("/activity").json["items"] if entry["use"]]
    assert [(use["method"], use["path"]) for use in uses] == [("POST", "/runs")]
