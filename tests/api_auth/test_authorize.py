"""Forward authentication: the headers for a proxy; the only statuses are 204, 401 and 403 (contract, 7)."""

from datetime import timedelta

import pytest

from reflow_accounts.api_keys.models import Use
from reflow_accounts.auth.secrets import new_secret
from reflow_accounts.contract import KEY_PREFIX
from reflow_accounts.database import now
from reflow_accounts.teams.models import Rights
from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

ORDER = ["view", "edit", "admin"]
RIGHTS_OF = {"ada": "admin", "ben": "edit", "vic": "view", "ci": "edit"}


def authorize_path(group, rights="edit"):
    return f"/authorize?team={group.id}&rights={rights}"


def reflow_headers(response):
    names = ("User", "Team", "Rights", "Key")
    return tuple(response.headers.get(f"X-Reflow-{name}") for name in names)


@pytest.mark.parametrize("who", RIGHTS_OF)
@pytest.mark.parametrize("rights", ORDER)
@pytest.mark.parametrize("credential", ["key", "session"])
def test_response_is_204_with_headers_or_403(cast, api, who, rights, credential):
    person = getattr(cast, who)
    if credential == "session" and who == "ci":
        pytest.skip("a service account has no sessions")
    key = person.key() if credential == "key" else None
    response = api(key.secret if key else person.session()).get(authorize_path(cast.acme, rights))
    if ORDER.index(RIGHTS_OF[who]) >= ORDER.index(rights):
        assert (response.status_code, response.data) == (204, b"")
        assert reflow_headers(response) == (person.id, cast.acme.id, RIGHTS_OF[who], key.id if key else "")
        assert "Content-Type" not in response.headers
    else:
        problem = problem_of(response, 403, "insufficient_rights")
        assert problem["detail"] == f"This needs {rights.title()} rights to Acme."
        assert reflow_headers(response) == (None,) * 4


@pytest.mark.parametrize("who", ["charlie", "sam"])
def test_team_of_others_is_refused_like_a_missing_team(cast, api, who):
    program = api(getattr(cast, who).session())
    problem = problem_of(program.get(authorize_path(cast.acme, "view")), 403, "insufficient_rights")
    missing = program.get("/authorize?team=team_0000000000000000&rights=view")
    assert problem_of(missing, 403, "insufficient_rights") == problem
    assert "Acme" not in str(problem)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?team={team}",
        "?rights=view",
        "?team=&rights=view",
        "?team={team}&rights=",
        "?team={team}&rights=owner",
        "?team={team}&rights=View",
        "?team={team}&rights=view&rights=admin",
        "?team={team}&rights=view&rights=view",
        "?team={team}&team={team}&rights=view",
        "?team={team}&rights=view&more=1",
        "?team=Acme&rights=view",
        "?team={team}%00&rights=view",
        "?team=%00&rights=%00",
        "?team=%ff%fe&rights=view",
        "?team={team}%20&rights=view",
        "?team[]={team}&rights=view",
        "?team={team};rights=view",
        "?%00",
    ],
)
@pytest.mark.parametrize("credential", ["key", "session"])
def test_invalid_query_is_403(app, cast, api, query, credential):
    key = cast.ada.key()
    program = api(key.secret if credential == "key" else cast.ada.session())
    response = program.get("/authorize" + query.format(team=cast.acme.id))
    problem_of(response, 403, "insufficient_rights")
    assert [use.status for use in rows.uses_of(app, key.id)] == [403] * (credential == "key")


def test_missing_credential_is_401_before_the_query_is_read(cast, api):
    for query in (authorize_path(cast.acme), "/authorize"):
        response = api().get(query)
        problem_of(response, 401, "missing_credentials")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="reflow"'


def invalidate(cast, key, reason):
    if reason == "revoked":
        cast.ada.revoke(key)
    elif reason == "disabled":
        cast.ada.change(disabled_at=now())


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("revoked", "revoked_key"),
        ("disabled", "account_disabled"),
        ("unknown", "unknown_key"),
        ("x", "malformed_key"),
    ],
)
def test_invalid_key_is_401_and_not_recorded(app, cast, api, reason, code):
    key = cast.ada.key()
    invalidate(cast, key, reason)
    secret = {"unknown": new_secret(KEY_PREFIX), "x": key.secret[:-1]}.get(reason, key.secret)
    problem_of(api(secret).get(authorize_path(cast.acme)), 401, code)
    assert rows.count(app, Use) == 0


def test_expired_session_is_refused(cast, api):
    session = cast.ada.session()
    assert api(session).get(authorize_path(cast.acme)).status_code == 204
    cast.ada.change_sessions(expires_at=now() - timedelta(seconds=1))
    problem_of(api(session).get(authorize_path(cast.acme)), 401, "unknown_key")


def test_disabled_service_account_is_refused(cast, api):
    key = cast.ci.key()
    assert api(key.secret).get(authorize_path(cast.acme)).status_code == 204
    cast.ci.change(disabled_at=now())
    problem_of(api(key.secret).get(authorize_path(cast.acme)), 401, "account_disabled")


def test_rights_and_membership_apply_to_the_next_request(cast, api):
    ada, ben = api(cast.ada.session()), api(cast.ben.key().secret)
    member = f"/teams/{cast.acme.id}/members/{cast.ben.id}"
    assert ben.get(authorize_path(cast.acme)).status_code == 204
    ada.patch(member, {"rights": "view"})
    problem_of(ben.get(authorize_path(cast.acme)), 403, "insufficient_rights")
    cast.globex.add(cast.ben, Rights.EDIT)
    ada.delete(member)
    problem_of(ben.get(authorize_path(cast.acme, "view")), 403, "insufficient_rights")
    assert reflow_headers(ben.get(authorize_path(cast.globex)))[1:3] == (cast.globex.id, "edit")


def test_inactive_subscription_is_refused(app, cast, api):
    key = cast.ben.key()
    cast.acme.unsubscribe()
    for program in (api(key.secret), api(cast.ben.session())):
        problem_of(program.get(authorize_path(cast.acme)), 403, "subscription_inactive")
    assert [use.outcome for use in rows.uses_of(app, key.id)] == ["subscription_inactive"]


def test_subscription_of_one_team_is_not_used_for_another(app, cast, api):
    cast.acme.add(cast.nina, Rights.VIEW)
    key = cast.nina.key()
    for program in (api(key.secret), api(cast.nina.session())):
        assert program.get(authorize_path(cast.acme, "view")).status_code == 204
        problem_of(program.get(authorize_path(cast.solo, "view")), 403, "subscription_inactive")
    assert [use.outcome for use in rows.uses_of(app, key.id)] == ["accepted", "subscription_inactive"]


@pytest.mark.parametrize("who", ["ada", "ben", "ci", "nina"])
def test_event_loop_responds_and_records_as_flask_does(app, cast, api, who):
    """A scheme in lower case is passed to Flask."""
    cast.acme.add(cast.nina, Rights.ADMIN)
    key = getattr(cast, who).key()
    headers = {"X-Original-Method": "PUT", "X-Original-URI": "/runs/7?x=1", "User-Agent": "u" * 300}
    direct = api(key.secret, **headers).get(authorize_path(cast.acme))
    by_flask = api(**headers, Authorization=f"bearer {key.secret}").get(authorize_path(cast.acme))
    assert (direct.status_code, by_flask.status_code) == (204, 204)
    assert "Vary" not in direct.headers
    assert dict(direct.headers) == {name: value for name, value in by_flask.headers.items() if name != "Vary"}
    first, second = rows.uses_of(app, key.id)
    assert first == second
    assert (first.method, first.path, first.status, first.outcome) == ("PUT", "/runs/7", 204, "accepted")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_method_must_be_get(cast, api, method):
    program = api(cast.ci.key().secret)
    problem_of(program.send(method, authorize_path(cast.acme)), 405, "method_not_allowed")
    assert program.send("HEAD", authorize_path(cast.acme)).status_code == 204
