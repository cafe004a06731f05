"""The event loop and Flask give the same answer to a request with a key, and record the same use."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.auth.secrets import new_secret
from reflow_accounts.contract import KEY_PREFIX
from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Rights
from tests.api_auth.both_paths import AUTHORIZE, ME, BothPaths
from tests.helpers import rows
from tests.helpers.at_once import at_once

pytestmark = pytest.mark.postgresql_later

# Reasons why a key is refused, with status and code; the use of an `unsubscribed` key is recorded.
REFUSALS = {
    "revoked": (401, "revoked_key"),
    "expired": (401, "expired_key"),
    "disabled": (401, "account_disabled"),
    "unsubscribed": (403, "subscription_inactive"),
    "wrong": (401, "malformed_key"),
}


@pytest.fixture
def both_paths(app):
    paths = BothPaths(app)
    yield paths
    paths.close()


def authorize_path(team, rights="edit"):
    return f"{AUTHORIZE}?team={team.id}&rights={rights}"


@pytest.mark.parametrize("who", ["ada", "ben", "ci", "charlie"])
def test_me_is_the_same(app, cast, both_paths, who):
    key = getattr(cast, who).key()
    response = both_paths.same(ME, key.secret, in_flask=0)
    assert response.status == 200
    assert response.json["authenticated_by"]["id"] == key.id
    assert len(rows.uses_of(app, key.id)) == 2


@pytest.mark.parametrize("who", ["ada", "ben", "ci", "charlie"])
def test_authorize_is_the_same(app, cast, both_paths, who):
    key = getattr(cast, who).key()
    team = cast.globex if who == "charlie" else cast.acme
    response = both_paths.same(authorize_path(team), key.secret, in_flask=0)
    assert (response.status, response.body, response.header("X-Reflow-Key")) == (204, b"", key.id)
    assert len(rows.uses_of(app, key.id)) == 2


@pytest.mark.parametrize("user_agent", ["x" * 300, "tests/1.0", "", "caf\u00e9 \u00ff"])
def test_uses_are_recorded_the_same(app, cast, both_paths, user_agent):
    key = cast.ada.key()
    both_paths.same(ME, key.secret, in_flask=0, **{"User-Agent": user_agent})
    from_event_loop, from_flask = rows.uses_of(app, key.id)
    assert from_event_loop == from_flask
    assert from_event_loop.user_agent == user_agent[:255]
    assert (
        from_event_loop.method,
        from_event_loop.path,
        from_event_loop.status,
        from_event_loop.outcome,
    ) == ("GET", ME, 200, "accepted")


@pytest.mark.parametrize(
    ("method", "uri", "recorded"),
    [
        ("DELETE", "/runs/1?token=x#y", ("DELETE", "/runs/1")),
        ("get", "runs", ("GET", AUTHORIZE)),
        ("PUT", "https://tests.example/r%C3%A9sultats", ("PUT", "/r\u00e9sultats")),
        ("PUT", "/a%00b\u00c3\u00a9%ff", ("PUT", "/a\ufffdb\u00e9\ufffd")),
        ("M" * 11, "/" + "p" * 3000, ("GET", "/" + "p" * 254)),
    ],
)
def test_original_request_is_recorded_the_same(app, cast, both_paths, method, uri, recorded):
    key = cast.ci.key()
    headers = {"X-Original-Method": method, "X-Original-URI": uri}
    both_paths.same(authorize_path(cast.acme), key.secret, in_flask=0, **headers)
    from_event_loop, from_flask = rows.uses_of(app, key.id)
    assert from_event_loop == from_flask
    assert (from_event_loop.method, from_event_loop.path, from_event_loop.status) == (*recorded, 204)


def invalidate(app, cast, key, reason):
    """Make Ada's key stop working; return the secret to send."""
    if reason == "revoked":
        cast.ada.revoke(key)
    elif reason == "expired":
        with app.app_context():
            db.session.execute(update(ApiKey).values(expires_at=now() - timedelta(seconds=1)))
            db.session.commit()
    elif reason == "disabled":
        cast.ada.change(disabled_at=now())
    elif reason == "unsubscribed":
        cast.acme.unsubscribe()
    else:
        return key.secret[:-1] + ("0" if key.secret[-1] != "0" else "1")
    return key.secret


@pytest.mark.parametrize("path", [ME, AUTHORIZE])
@pytest.mark.parametrize("reason", REFUSALS)
def test_refused_key_is_the_same(app, cast, both_paths, path, reason):
    key = cast.ada.key(expires_at=now() + timedelta(days=1))
    path = path if path == ME else authorize_path(cast.acme)
    assert both_paths.event_loop(path, key.secret).status < 300
    secret = invalidate(app, cast, key, reason)
    response = both_paths.same(path, secret)
    assert (response.status, response.json["code"]) == REFUSALS[reason]
    recorded = [use.outcome for use in rows.uses_of(app, key.id)]
    assert recorded == ["accepted"] + ["subscription_inactive"] * 2 * (reason == "unsubscribed")


def test_refusal_for_the_subscription_is_recorded_once(app, cast, both_paths):
    key = cast.ada.key()
    cast.acme.unsubscribe()
    both_paths.event_loop(ME, key.secret)
    assert [use.outcome for use in rows.uses_of(app, key.id)] == ["subscription_inactive"]


def test_key_of_two_teams_needs_one_active_subscription(cast, both_paths):
    cast.acme.add(cast.nina, Rights.VIEW)
    key = cast.nina.key()
    response = both_paths.same(ME, key.secret, in_flask=0).json
    assert {team["name"]: team["subscription"] for team in response["teams"]} == {
        "Solo": "inactive",
        "Acme": "active",
    }
    cast.acme.unsubscribe()
    assert both_paths.same(ME, key.secret).status == 403


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("team={acme}&rights=admin", "insufficient_rights"),
        ("team={solo}&rights=view", "subscription_inactive"),
        ("team={globex}&rights=view", "insufficient_rights"),
        ("team=team_0000000000000000&rights=view", "insufficient_rights"),
        ("team=%00&rights=view", "insufficient_rights"),
        ("team={acme}%00&rights=view", "insufficient_rights"),
        ("team=%ff%ed%a0%80&rights=view", "insufficient_rights"),
        ("team=\u00e9&rights=view", "insufficient_rights"),
        ("team={acme}&rights=owner", "insufficient_rights"),
        ("team={acme}&rights=", "insufficient_rights"),
        ("team={acme}&rights=edit%20view", "insufficient_rights"),
        ("team={acme}&rights=view&rights=view", "insufficient_rights"),
        ("team={acme}&rights=view&more=1", "insufficient_rights"),
        ("team={acme};rights=view", "insufficient_rights"),
        ("team={acme}", "insufficient_rights"),
        ("", "insufficient_rights"),
    ],
)
def test_refused_authorize_query_is_the_same(app, cast, both_paths, query, code):
    cast.solo.add(cast.ben, Rights.ADMIN)
    key = cast.ben.key()
    teams = {"acme": cast.acme.id, "solo": cast.solo.id, "globex": cast.globex.id}
    response = both_paths.same(
        f"{AUTHORIZE}?{query.format(**teams)}", key.secret, **{"X-Original-Method": "PUT"}
    )
    assert (response.status, response.json["code"]) == (403, code)
    from_event_loop, from_flask = rows.uses_of(app, key.id)
    assert from_event_loop == from_flask
    assert (from_event_loop.method, from_event_loop.status, from_event_loop.outcome) == ("PUT", 403, code)


def test_malformed_authorize_query_fails_no_other_request(cast, both_paths):
    """The client needs no valid key: any well-formed one is looked up."""
    secret, unknown_secret = cast.ada.key().secret, new_secret(KEY_PREFIX)
    assert both_paths.event_loop(ME, secret).status == 200
    valid = [lambda: both_paths.event_loop(ME, secret).status] * 20
    malformed = [
        lambda: both_paths.event_loop(f"{AUTHORIZE}?team=%00&rights=view", unknown_secret).status
    ] * 4
    assert at_once(valid + malformed) == [200] * 20 + [401] * 4


@pytest.mark.parametrize("query", ["team={}&rights=view", "rights=view&team={}", "%74eam={}&rights=%76iew&"])
def test_authorize_query_can_be_written_in_other_ways(cast, both_paths, query):
    path = f"{AUTHORIZE}?{query.format(cast.acme.id)}"
    assert both_paths.same(path, cast.ada.key().secret, in_flask=0).status == 204


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "DELETE"])
@pytest.mark.parametrize("path", [ME, AUTHORIZE])
def test_other_methods_are_the_same(app, cast, both_paths, path, method):
    key = cast.ada.key()
    path = path if path == ME else authorize_path(cast.acme)
    response = both_paths.same(path, key.secret, method)
    allowed = {"HEAD": (200, 204), "OPTIONS": (200,)}.get(method, (405,))
    assert response.status in allowed
    if method == "OPTIONS":
        assert ("content-type" in dict(response.headers), response.body) == (False, b"")
    from_event_loop, from_flask = rows.uses_of(app, key.id)
    assert from_event_loop == from_flask
    assert (from_event_loop.method, from_event_loop.status) == (method, response.status)
    assert both_paths.same(path, None, method).status == 401


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_scheme_is_case_insensitive(app, cast, both_paths, scheme):
    key = cast.ada.key()
    from_event_loop = both_paths.event_loop(ME, key.secret)
    assert both_paths.same(ME, None, in_flask=1, Authorization=f"{scheme} {key.secret}") == from_event_loop
    assert len(rows.uses_of(app, key.id)) == 3
    assert len(set(rows.uses_of(app, key.id))) == 1


@pytest.mark.parametrize("body", [b"x", b"{}", b"x" * 65536, b"x" * 65537])
@pytest.mark.parametrize("header", ["Content-Length", "Transfer-Encoding"])
def test_get_with_a_body_is_the_same(app, cast, both_paths, body, header):
    key = cast.ada.key()
    headers = {"Transfer-Encoding": "chunked"} if header == "Transfer-Encoding" else {}
    response = both_paths.same(ME, key.secret, body=body, **headers)
    assert response.status == (200 if len(body) <= 65536 else 413)
    from_event_loop, from_flask = rows.uses_of(app, key.id)
    assert from_event_loop == from_flask


def test_repeated_authorization_is_refused(app, cast, both_paths):
    key, other = cast.ada.key(), cast.ben.key()
    for second in (key, other):
        values = [f"Bearer {key_.secret}" for key_ in (key, second)]
        response = both_paths.asgi.get(ME, [("Authorization", value) for value in values])
        assert response.plain() == both_paths.flask(ME, None, Authorization=",".join(values)).plain()
        assert (response.status, response.json["code"]) == (401, "malformed_key")
    assert rows.uses_of(app, key.id) == rows.uses_of(app, other.id) == []


def test_repeated_other_headers_are_recorded_the_same(app, cast, both_paths):
    key = cast.ada.key()
    headers = [("Authorization", f"Bearer {key.secret}"), ("User-Agent", "one"), ("User-Agent", "two")]
    assert (
        both_paths.asgi.get(ME, headers).plain()
        == both_paths.flask(ME, key.secret, **{"User-Agent": "one,two"}).plain()
    )
    from_event_loop, from_flask = rows.uses_of(app, key.id)
    assert from_event_loop == from_flask


@pytest.mark.parametrize(
    ("header", "code", "sentence"),
    [
        ('Bearer "{key}"', "malformed_key", "The API key is in quotation marks"),
        ("Bearer '{key}'", "malformed_key", "The API key is in quotation marks"),
        ("Bearer '{key}", "malformed_key", "The API key begins with '."),
        ('Bearer {key}"', "malformed_key", 'The API key ends with ".'),
        ("Bearer '{key}\"", "malformed_key", "The API key begins with ' and ends with \"."),
        ("Bearer {key} {key}", "malformed_key", "more than Bearer and an API key"),
        ("Bearer {key}\u00e9", "malformed_key", "characters that no API key has"),
        ("Bearer\u00a0{key}", "malformed_key", "characters that no API key has"),
        ("Bearer {key}x", "malformed_key", "incomplete or mistyped"),
        ("Basic {key}", "missing_credentials", "does not begin with Bearer"),
        ('"Bearer {key}"', "missing_credentials", "does not begin with Bearer"),
        ("{key}", "missing_credentials", "does not begin with Bearer"),
        ("Bearer", "missing_credentials", "Send an API key"),
    ],
)
def test_refusal_describes_the_received_header(app, cast, both_paths, header, code, sentence):
    key = cast.ada.key()
    response = both_paths.same(ME, None, in_flask=1, Authorization=header.format(key=key.secret))
    assert (response.status, response.json["code"]) == (401, code)
    assert sentence in response.json["detail"]
    assert rows.uses_of(app, key.id) == []
