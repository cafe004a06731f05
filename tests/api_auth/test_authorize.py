"""Forward authentication: what a proxy is told, and that nothing but yes, 401 and 403 is said (contract, 7)."""

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
GIVEN = {"ada": "admin", "ben": "edit", "vic": "view", "ci": "edit"}


def question(group, rights="edit"):
    return f"/authorize?team={group.id}&rights={rights}"


def told(answer):
    names = ("User", "Team", "Rights", "Key")
    return tuple(answer.headers.get(f"X-Reflow-{name}") for name in names)


@pytest.mark.parametrize("who", GIVEN)
@pytest.mark.parametrize("rights", ORDER)
@pytest.mark.parametrize("credential", ["key", "session"])
def test_yes_with_the_four_headers_or_no(cast, api, who, rights, credential):
    person = getattr(cast, who)
    if credential == "session" and who == "ci":
        pytest.skip("a service account has no sessions")
    key = person.key() if credential == "key" else None
    answer = api(key.secret if key else person.session()).get(question(cast.acme, rights))
    if ORDER.index(GIVEN[who]) >= ORDER.index(rights):
        assert (answer.status_code, answer.data) == (204, b"")
        assert told(answer) == (person.id, cast.acme.id, GIVEN[who], key.id if key else "")
        assert "Content-Type" not in answer.headers
    else:
        problem = problem_of(answer, 403, "insufficient_rights")
        assert problem["detail"] == f"This needs {rights.title()} rights to Acme."
        assert told(answer) == (None,) * 4


@pytest.mark.parametrize("who", ["charlie", "sam"])
def test_strangers_team_is_as_one_that_is_not_there(cast, api, who):
    program = api(getattr(cast, who).session())
    here = problem_of(program.get(question(cast.acme, "view")), 403, "insufficient_rights")
    nowhere = program.get("/authorize?team=team_0000000000000000&rights=view")
    assert problem_of(nowhere, 403, "insufficient_rights") == here
    assert "Acme" not in str(here)


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
def test_another_question_is_a_no(app, cast, api, query, credential):
    key = cast.ada.key()
    program = api(key.secret if credential == "key" else cast.ada.session())
    answer = program.get("/authorize" + query.format(team=cast.acme.id))
    problem_of(answer, 403, "insufficient_rights")
    assert [use.status for use in rows.uses_of(app, key.id)] == [403] * (credential == "key")


def test_who_does_not_say_who_it_is_is_asked_for_it_first(cast, api):
    for query in (question(cast.acme), "/authorize"):
        answer = api().get(query)
        problem_of(answer, 401, "missing_credentials")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="reflow"'


def spoil(cast, key, how):
    if how == "revoked":
        cast.ada.revoke(key)
    elif how == "disabled":
        cast.ada.change(disabled_at=now())


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("revoked", "revoked_key"),
        ("disabled", "account_disabled"),
        ("unknown", "unknown_key"),
        ("x", "malformed_key"),
    ],
)
def test_key_that_is_not_good_is_401_and_no_use(app, cast, api, how, code):
    key = cast.ada.key()
    spoil(cast, key, how)
    secret = {"unknown": new_secret(KEY_PREFIX), "x": key.secret[:-1]}.get(how, key.secret)
    problem_of(api(secret).get(question(cast.acme)), 401, code)
    assert rows.count(app, Use) == 0


def test_sessions_end_for_this_too(cast, api):
    session = cast.ada.session()
    assert api(session).get(question(cast.acme)).status_code == 204
    cast.ada.change_sessions(expires_at=now() - timedelta(seconds=1))
    problem_of(api(session).get(question(cast.acme)), 401, "unknown_key")


def test_disabled_service_account_is_let_in_nowhere(cast, api):
    key = cast.ci.key()
    assert api(key.secret).get(question(cast.acme)).status_code == 204
    cast.ci.change(disabled_at=now())
    problem_of(api(key.secret).get(question(cast.acme)), 401, "account_disabled")


def test_rights_and_membership_hold_for_the_next_question(cast, api):
    ada, ben = api(cast.ada.session()), api(cast.ben.key().secret)
    member = f"/teams/{cast.acme.id}/members/{cast.ben.id}"
    assert ben.get(question(cast.acme)).status_code == 204
    ada.patch(member, {"rights": "view"})
    problem_of(ben.get(question(cast.acme)), 403, "insufficient_rights")
    cast.globex.add(cast.ben, Rights.EDIT)
    ada.delete(member)
    problem_of(ben.get(question(cast.acme, "view")), 403, "insufficient_rights")
    assert told(ben.get(question(cast.globex)))[1:3] == (cast.globex.id, "edit")


def test_nobody_paid_for_the_team(app, cast, api):
    key = cast.ben.key()
    cast.acme.unsubscribe()
    for program in (api(key.secret), api(cast.ben.session())):
        problem_of(program.get(question(cast.acme)), 403, "subscription_inactive")
    assert [use.outcome for use in rows.uses_of(app, key.id)] == ["subscription_inactive"]


def test_one_team_that_pays_does_not_pay_for_another(app, cast, api):
    cast.acme.add(cast.nina, Rights.VIEW)
    key = cast.nina.key()
    for program in (api(key.secret), api(cast.nina.session())):
        assert program.get(question(cast.acme, "view")).status_code == 204
        problem_of(program.get(question(cast.solo, "view")), 403, "subscription_inactive")
    assert [use.outcome for use in rows.uses_of(app, key.id)] == ["accepted", "subscription_inactive"]


@pytest.mark.parametrize("who", ["ada", "ben", "ci", "nina"])
def test_before_flask_it_is_answered_and_recorded_as_flask_does(app, cast, api, who):
    """A scheme in other letters is left to Flask."""
    cast.acme.add(cast.nina, Rights.ADMIN)
    key = getattr(cast, who).key()
    sent = {"X-Original-Method": "PUT", "X-Original-URI": "/runs/7?x=1", "User-Agent": "u" * 300}
    fast = api(key.secret, **sent).get(question(cast.acme))
    slow = api(**sent, Authorization=f"bearer {key.secret}").get(question(cast.acme))
    assert (fast.status_code, slow.status_code) == (204, 204)
    assert "Vary" not in fast.headers
    assert dict(fast.headers) == {name: value for name, value in slow.headers.items() if name != "Vary"}
    one, other = rows.uses_of(app, key.id)
    assert one == other
    assert (one.method, one.path, one.status, one.outcome) == ("PUT", "/runs/7", 204, "accepted")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_is_asked_with_get(cast, api, method):
    program = api(cast.ci.key().secret)
    problem_of(program.send(method, question(cast.acme)), 405, "method_not_allowed")
    assert program.send("HEAD", question(cast.acme)).status_code == 204
