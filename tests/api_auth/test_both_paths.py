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

# How a key stops working, and the refusal; an `unsubscribed` one is used all the same.
REFUSALS = {
    "revoked": (401, "revoked_key"),
    "expired": (401, "expired_key"),
    "disabled": (401, "account_disabled"),
    "unsubscribed": (403, "subscription_inactive"),
    "wrong": (401, "malformed_key"),
}


@pytest.fixture
def both(app):
    paths = BothPaths(app)
    yield paths
    paths.close()


def question(team, rights="edit"):
    return f"{AUTHORIZE}?team={team.id}&rights={rights}"


@pytest.mark.parametrize("who", ["ada", "ben", "ci", "charlie"])
def test_me_is_answered_alike(app, cast, both, who):
    key = getattr(cast, who).key()
    answer = both.same(ME, key.secret, in_flask=0)
    assert answer.status == 200
    assert answer.json["authenticated_by"]["id"] == key.id
    assert len(rows.uses_of(app, key.id)) == 2


@pytest.mark.parametrize("who", ["ada", "ben", "ci", "charlie"])
def test_authorize_is_answered_alike(app, cast, both, who):
    key = getattr(cast, who).key()
    team = cast.globex if who == "charlie" else cast.acme
    answer = both.same(question(team), key.secret, in_flask=0)
    assert (answer.status, answer.body, answer.header("X-Reflow-Key")) == (204, b"", key.id)
    assert len(rows.uses_of(app, key.id)) == 2


@pytest.mark.parametrize("user_agent", ["x" * 300, "tests/1.0", "", "caf\u00e9 \u00ff"])
def test_both_paths_record_the_same_use(app, cast, both, user_agent):
    key = cast.ada.key()
    both.same(ME, key.secret, in_flask=0, **{"User-Agent": user_agent})
    fast, slow = rows.uses_of(app, key.id)
    assert fast == slow
    assert fast.user_agent == user_agent[:255]
    assert (fast.method, fast.path, fast.status, fast.outcome) == ("GET", ME, 200, "accepted")


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
def test_original_request_is_recorded_alike(app, cast, both, method, uri, recorded):
    key = cast.ci.key()
    headers = {"X-Original-Method": method, "X-Original-URI": uri}
    both.same(question(cast.acme), key.secret, in_flask=0, **headers)
    fast, slow = rows.uses_of(app, key.id)
    assert fast == slow
    assert (fast.method, fast.path, fast.status) == (*recorded, 204)


def spoil(app, cast, key, how):
    """Make Ada's key stop working; return the secret to send."""
    if how == "revoked":
        cast.ada.revoke(key)
    elif how == "expired":
        with app.app_context():
            db.session.execute(update(ApiKey).values(expires_at=now() - timedelta(seconds=1)))
            db.session.commit()
    elif how == "disabled":
        cast.ada.change(disabled_at=now())
    elif how == "unsubscribed":
        cast.acme.unsubscribe()
    else:
        return key.secret[:-1] + ("0" if key.secret[-1] != "0" else "1")
    return key.secret


@pytest.mark.parametrize("path", [ME, AUTHORIZE])
@pytest.mark.parametrize("how", REFUSALS)
def test_refused_key_is_answered_and_recorded_alike(app, cast, both, path, how):
    key = cast.ada.key(expires_at=now() + timedelta(days=1))
    path = path if path == ME else question(cast.acme)
    assert both.event_loop(path, key.secret).status < 300
    secret = spoil(app, cast, key, how)
    answer = both.same(path, secret)
    assert (answer.status, answer.json["code"]) == REFUSALS[how]
    recorded = [use.outcome for use in rows.uses_of(app, key.id)]
    assert recorded == ["accepted"] + ["subscription_inactive"] * 2 * (how == "unsubscribed")


def test_refusal_for_the_subscription_is_recorded_once(app, cast, both):
    key = cast.ada.key()
    cast.acme.unsubscribe()
    both.event_loop(ME, key.secret)
    assert [use.outcome for use in rows.uses_of(app, key.id)] == ["subscription_inactive"]


def test_key_of_two_teams_needs_one_that_pays(cast, both):
    cast.acme.add(cast.nina, Rights.VIEW)
    key = cast.nina.key()
    answer = both.same(ME, key.secret, in_flask=0).json
    assert {team["name"]: team["subscription"] for team in answer["teams"]} == {
        "Solo": "inactive",
        "Acme": "active",
    }
    cast.acme.unsubscribe()
    assert both.same(ME, key.secret).status == 403


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
def test_refused_question_is_answered_and_recorded_alike(app, cast, both, query, code):
    cast.solo.add(cast.ben, Rights.ADMIN)
    key = cast.ben.key()
    teams = {"acme": cast.acme.id, "solo": cast.solo.id, "globex": cast.globex.id}
    answer = both.same(f"{AUTHORIZE}?{query.format(**teams)}", key.secret, **{"X-Original-Method": "PUT"})
    assert (answer.status, answer.json["code"]) == (403, code)
    fast, slow = rows.uses_of(app, key.id)
    assert fast == slow
    assert (fast.method, fast.status, fast.outcome) == ("PUT", 403, code)


def test_malformed_question_fails_no_other_request(cast, both):
    """A client needs no valid key: one of the right form is looked up."""
    secret, stranger = cast.ada.key().secret, new_secret(KEY_PREFIX)
    assert both.event_loop(ME, secret).status == 200
    good = [lambda: both.event_loop(ME, secret).status] * 20
    bad = [lambda: both.event_loop(f"{AUTHORIZE}?team=%00&rights=view", stranger).status] * 4
    assert at_once(good + bad) == [200] * 20 + [401] * 4


@pytest.mark.parametrize("query", ["team={}&rights=view", "rights=view&team={}", "%74eam={}&rights=%76iew&"])
def test_question_may_be_written_in_other_ways(cast, both, query):
    path = f"{AUTHORIZE}?{query.format(cast.acme.id)}"
    assert both.same(path, cast.ada.key().secret, in_flask=0).status == 204


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "DELETE"])
@pytest.mark.parametrize("path", [ME, AUTHORIZE])
def test_other_methods_are_answered_and_recorded_alike(app, cast, both, path, method):
    key = cast.ada.key()
    path = path if path == ME else question(cast.acme)
    answer = both.same(path, key.secret, method)
    allowed = {"HEAD": (200, 204), "OPTIONS": (200,)}.get(method, (405,))
    assert answer.status in allowed
    if method == "OPTIONS":
        assert ("content-type" in dict(answer.headers), answer.body) == (False, b"")
    fast, slow = rows.uses_of(app, key.id)
    assert fast == slow
    assert (fast.method, fast.status) == (method, answer.status)
    assert both.same(path, None, method).status == 401


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_scheme_is_read_alike_without_case(app, cast, both, scheme):
    key = cast.ada.key()
    fast = both.event_loop(ME, key.secret)
    assert both.same(ME, None, in_flask=1, Authorization=f"{scheme} {key.secret}") == fast
    assert len(rows.uses_of(app, key.id)) == 3
    assert len(set(rows.uses_of(app, key.id))) == 1


@pytest.mark.parametrize("body", [b"x", b"{}", b"x" * 65536, b"x" * 65537])
@pytest.mark.parametrize("header", ["Content-Length", "Transfer-Encoding"])
def test_get_with_a_body_is_answered_and_recorded_alike(app, cast, both, body, header):
    key = cast.ada.key()
    sent = {"Transfer-Encoding": "chunked"} if header == "Transfer-Encoding" else {}
    answer = both.same(ME, key.secret, body=body, **sent)
    assert answer.status == (200 if len(body) <= 65536 else 413)
    fast, slow = rows.uses_of(app, key.id)
    assert fast == slow


def test_repeated_authorization_is_refused_alike(app, cast, both):
    key, other = cast.ada.key(), cast.ben.key()
    for second in (key, other):
        words = [f"Bearer {one.secret}" for one in (key, second)]
        answer = both.asgi.get(ME, [("Authorization", word) for word in words])
        assert answer.plain() == both.flask(ME, None, Authorization=",".join(words)).plain()
        assert (answer.status, answer.json["code"]) == (401, "malformed_key")
    assert rows.uses_of(app, key.id) == rows.uses_of(app, other.id) == []


def test_repeated_other_headers_are_recorded_alike(app, cast, both):
    key = cast.ada.key()
    sent = [("Authorization", f"Bearer {key.secret}"), ("User-Agent", "one"), ("User-Agent", "two")]
    assert both.asgi.get(ME, sent).plain() == both.flask(ME, key.secret, **{"User-Agent": "one,two"}).plain()
    fast, slow = rows.uses_of(app, key.id)
    assert fast == slow


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
def test_refusal_describes_alike_what_was_received(app, cast, both, header, code, sentence):
    key = cast.ada.key()
    answer = both.same(ME, None, in_flask=1, Authorization=header.format(key=key.secret))
    assert (answer.status, answer.json["code"]) == (401, code)
    assert sentence in answer.json["detail"]
    assert rows.uses_of(app, key.id) == []
