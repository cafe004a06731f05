"""Teams, members and invitations for programs: the same verbs and rules as on the tab."""

from datetime import timedelta

import pytest

from reflow_accounts.database import now
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.mailbox import Mailbox
from tests.teams.acts import rights_of

pytestmark = pytest.mark.postgresql_later


@pytest.fixture(params=["key", "session"])
def program(request, api):
    """`program(person)`: a program of a person, with an API key and with a session of the command."""
    return lambda person: api(person.key().secret if request.param == "key" else person.session())


def test_ones_teams_with_rights_and_subscription(cast, program):
    cast.solo.add(cast.ben, Rights.VIEW)
    items = program(cast.ben).get("/teams").json["items"]
    told = [(item["id"], item["name"], item["rights"], item["subscription"]) for item in items]
    assert told == [(cast.acme.id, "Acme", "edit", "active"), (cast.solo.id, "Solo", "view", "inactive")]
    one = program(cast.ben).get(f"/teams/{cast.solo.id}").json
    assert one == items[1]


def test_pages_of_teams_and_members_miss_nothing(app, cast, api):
    for number in range(5):
        person = factories.person(app)
        cast.acme.add(person, Rights.VIEW)
        factories.team(app, f"Team {number}", person).add(cast.ben, Rights.VIEW)
    ben = api(cast.ben.session())
    for path in ("/teams", f"/teams/{cast.acme.id}/members"):
        whole = ben.get(path).json["items"]
        for limit in (1, 2, 3):
            assert [item for page in ben.pages(path, limit) for item in page] == whole
    assert len(whole) == 8


def test_members_with_rights_and_when_they_were_active(cast, program, api):
    key = cast.vic.key()
    api(key.secret).get("/me")
    items = program(cast.ben).get(f"/teams/{cast.acme.id}/members").json["items"]
    assert [(item["id"], item["email"], item["rights"]) for item in items] == [
        (cast.ada.id, "ada@acme.example", "admin"),
        (cast.ben.id, "ben@acme.example", "edit"),
        (cast.vic.id, "vic@acme.example", "view"),
    ]
    assert items[0]["last_active_at"] is None
    assert items[2]["last_active_at"] is not None


def test_admin_changes_rights_removes_and_renames(app, cast, program):
    ada, acme = program(cast.ada), f"/teams/{cast.acme.id}"
    answer = ada.patch(f"{acme}/members/{cast.ben.id}", {"rights": "view"})
    assert (answer.status_code, answer.json["rights"]) == (200, "view")
    assert rights_of(cast.ben, cast.acme) == "view"
    assert ada.delete(f"{acme}/members/{cast.ben.id}").status_code == 204
    problem_of(ada.delete(f"{acme}/members/{cast.ben.id}"), 404, "not_found")
    assert ada.patch(acme, {"name": "Acme Labs"}).json["name"] == "Acme Labs"
    told = [action for action, *_ in rows.acts(app)]
    assert told[-3:] == ["member.rights_changed", "member.removed", "team.renamed"]


def test_admin_invites_lists_sends_again_and_cancels(app, cast, program):
    mailbox, ada, path = Mailbox(app), program(cast.ada), f"/teams/{cast.acme.id}/invitations"
    answer = ada.post(path, {"emails": ["Eve@initech.example", "max@initech.example"], "rights": "edit"})
    assert answer.status_code == 201
    eve, mike = answer.json["items"]
    assert (eve["email"], eve["rights"], eve["state"]) == ("eve@initech.example", "edit", "open")
    assert "link" not in answer.text.replace("problem", "")
    assert [item["id"] for item in ada.get(path).json["items"]] == [mike["id"], eve["id"]]
    assert [item for page in ada.pages(path, 1) for item in page] == ada.get(path).json["items"]
    assert ada.post(f"{path}/{eve['id']}/sending").json["id"] == eve["id"]
    assert [ada.delete(f"{path}/{eve['id']}").status_code for _ in range(2)] == [204, 204]
    assert [item["id"] for item in ada.get(path).json["items"]] == [mike["id"]]
    problem_of(ada.post(f"{path}/{eve['id']}/sending"), 410, "gone")
    assert len(mailbox.deliver()) == 3


def test_faults_are_told_by_their_place_and_nobody_is_invited(app, cast, program):
    mailbox = Mailbox(app)
    body = {"emails": ["eve@initech.example", "x", cast.ben.email], "rights": "view"}
    problem = problem_of(
        program(cast.ada).post(f"/teams/{cast.acme.id}/invitations", body), 422, "validation_failed"
    )
    assert [error["field"] for error in problem["errors"]] == ["emails.1"]
    body["emails"].remove("x")
    problem = problem_of(
        program(cast.ada).post(f"/teams/{cast.acme.id}/invitations", body), 422, "validation_failed"
    )
    assert problem["errors"] == [{"field": "emails.1", "message": "ben@acme.example is a member already"}]
    assert mailbox.deliver() == []


@pytest.mark.parametrize(
    "body",
    [
        {"emails": [], "rights": "view"},
        {"emails": ["eve@initech.example"], "rights": "owner"},
        {"emails": ["eve@initech.example"]},
        {"emails": "eve@initech.example", "rights": "view"},
        {"emails": ["eve@initech.example"], "rights": "view", "team": "x"},
        {"emails": ["a@b.example"] * 51, "rights": "view"},
        {"emails": [None], "rights": "view"},
    ],
)
def test_body_of_another_shape_is_refused(cast, api, body):
    answer = api(cast.ada.session()).post(f"/teams/{cast.acme.id}/invitations", body)
    problem_of(answer, 422, "validation_failed")


def acts_of_admins(cast):
    acme = f"/teams/{cast.acme.id}"
    return [
        ("PATCH", acme, {"name": "Mine"}),
        ("PATCH", f"{acme}/members/{cast.ada.id}", {"rights": "view"}),
        ("DELETE", f"{acme}/members/{cast.ada.id}", None),
        ("GET", f"{acme}/invitations", None),
        ("POST", f"{acme}/invitations", {"emails": ["eve@initech.example"], "rights": "view"}),
        ("POST", f"{acme}/invitations/inv_x/sending", None),
        ("DELETE", f"{acme}/invitations/inv_x", None),
    ]


@pytest.mark.parametrize("who", ["ben", "vic", "ci"])
def test_below_admin_it_is_forbidden_in_words(app, cast, api, who):
    program = api(getattr(cast, who).key().secret)
    before = rows.acts(app)
    for method, path, body in acts_of_admins(cast):
        problem = problem_of(program.send(method, path, body), 403, "insufficient_rights")
        assert problem["detail"] == "This needs Admin rights to Acme."
    assert rows.acts(app) == before


@pytest.mark.parametrize("who", ["charlie", "nina", "sam"])
def test_to_an_outsider_the_team_does_not_exist(app, cast, api, who):
    program = api(getattr(cast, who).session())
    before = rows.acts(app)
    reads = [("GET", f"/teams/{cast.acme.id}", None), ("GET", f"/teams/{cast.acme.id}/members", None)]
    for method, path, body in [*acts_of_admins(cast), *reads]:
        here = problem_of(program.send(method, path, body), 404, "not_found")
        nowhere = program.send(method, path.replace(cast.acme.id, "team_0000000000000000"), body)
        assert problem_of(nowhere, 404, "not_found") == here
    assert rows.acts(app) == before


def test_last_admin_is_neither_lowered_nor_gone(cast, program):
    ada, path = program(cast.ada), f"/teams/{cast.acme.id}/members/{cast.ada.id}"
    for answer in (ada.patch(path, {"rights": "edit"}), ada.delete(path)):
        assert problem_of(answer, 409, "conflict")["detail"] == "A team needs at least one admin."
    assert rights_of(cast.ada, cast.acme) == "admin"


def test_member_leaves_and_a_service_account_does_not(cast, program, api):
    assert program(cast.ben).delete(f"/teams/{cast.acme.id}/members/{cast.ben.id}").status_code == 204
    assert rights_of(cast.ben, cast.acme) is None
    ci = api(cast.ci.key().secret)
    problem_of(ci.delete(f"/teams/{cast.acme.id}/members/{cast.ci.id}"), 403, "insufficient_rights")
    assert rights_of(cast.ci, cast.acme) == "edit"


def test_rights_hold_for_the_next_request_of_a_program(cast, api):
    ada, ben = api(cast.ada.session()), api(cast.ben.key().secret)
    path = f"/teams/{cast.acme.id}/invitations"
    problem_of(ben.get(path), 403, "insufficient_rights")
    ada.patch(f"/teams/{cast.acme.id}/members/{cast.ben.id}", {"rights": "admin"})
    assert ben.get(path).status_code == 200
    ada.patch(f"/teams/{cast.acme.id}/members/{cast.ben.id}", {"rights": "view"})
    problem_of(ben.get(path), 403, "insufficient_rights")


def test_session_that_was_at_rest_may_invite(cast, api):
    """Its rest is noted first; what counts mails must not wait for that."""
    ada = api(cast.ada.session())
    cast.ada.change_sessions(last_active_at=now() - timedelta(hours=1))
    body = {"emails": ["eve@initech.example"], "rights": "view"}
    assert ada.post(f"/teams/{cast.acme.id}/invitations", body).status_code == 201


@pytest.mark.parametrize("name", ["", "x" * 121, "a\nb", "\u200b"])
def test_team_needs_a_name(cast, api, name):
    answer = api(cast.ada.session()).patch(f"/teams/{cast.acme.id}", {"name": name})
    assert problem_of(answer, 422, "validation_failed")["errors"][0]["field"] == "name"
