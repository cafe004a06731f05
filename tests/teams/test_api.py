"""Teams, members and invitations in the API: the same actions and rules as on the tab."""

from datetime import timedelta

import pytest

from reflow_accounts.database import now
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.mailbox import Mailbox
from tests.teams.team_actions import rights_of

pytestmark = pytest.mark.postgresql_later


@pytest.fixture(params=["key", "session"])
def program(request, api):
    """`program(person)`: an API client with an API key, and with a session of the command."""
    return lambda person: api(person.key().secret if request.param == "key" else person.session())


def test_teams_are_listed_with_rights_and_subscription(cast, program):
    cast.solo.add(cast.ben, Rights.VIEW)
    items = program(cast.ben).get("/teams").json["items"]
    actual = [(item["id"], item["name"], item["rights"], item["subscription"]) for item in items]
    assert actual == [(cast.acme.id, "Acme", "edit", "active"), (cast.solo.id, "Solo", "view", "inactive")]
    team = program(cast.ben).get(f"/teams/{cast.solo.id}").json
    assert team == items[1]


def test_pages_of_teams_and_members_are_complete(app, cast, api):
    for number in range(5):
        person = factories.person(app)
        cast.acme.add(person, Rights.VIEW)
        factories.team(app, f"Team {number}", person).add(cast.ben, Rights.VIEW)
    ben = api(cast.ben.session())
    for path in ("/teams", f"/teams/{cast.acme.id}/members"):
        all_items = ben.get(path).json["items"]
        for limit in (1, 2, 3):
            assert [item for page in ben.pages(path, limit) for item in page] == all_items
    assert len(all_items) == 8


def test_members_are_listed_with_rights_and_last_activity(cast, program, api):
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


def test_admin_changes_rights_removes_a_member_and_renames(app, cast, program):
    ada, acme = program(cast.ada), f"/teams/{cast.acme.id}"
    response = ada.patch(f"{acme}/members/{cast.ben.id}", {"rights": "view"})
    assert (response.status_code, response.json["rights"]) == (200, "view")
    assert rights_of(cast.ben, cast.acme) == "view"
    assert ada.delete(f"{acme}/members/{cast.ben.id}").status_code == 204
    problem_of(ada.delete(f"{acme}/members/{cast.ben.id}"), 404, "not_found")
    assert ada.patch(acme, {"name": "Acme Labs"}).json["name"] == "Acme Labs"
    actions = [action for action, *_ in rows.audit_events(app)]
    assert actions[-3:] == ["member.rights_changed", "member.removed", "team.renamed"]


def test_admin_invites_lists_resends_and_cancels(app, cast, program):
    mailbox, ada, path = Mailbox(app), program(cast.ada), f"/teams/{cast.acme.id}/invitations"
    response = ada.post(path, {"emails": ["Eve@initech.example", "max@initech.example"], "rights": "edit"})
    assert response.status_code == 201
    eve, mike = response.json["items"]
    assert (eve["email"], eve["rights"], eve["state"]) == ("eve@initech.example", "edit", "open")
    assert "link" not in response.text.replace("problem", "")
    assert [item["id"] for item in ada.get(path).json["items"]] == [mike["id"], eve["id"]]
    assert [item for page in ada.pages(path, 1) for item in page] == ada.get(path).json["items"]
    assert ada.post(f"{path}/{eve['id']}/sending").json["id"] == eve["id"]
    assert [ada.delete(f"{path}/{eve['id']}").status_code for _ in range(2)] == [204, 204]
    assert [item["id"] for item in ada.get(path).json["items"]] == [mike["id"]]
    problem_of(ada.post(f"{path}/{eve['id']}/sending"), 410, "gone")
    assert len(mailbox.deliver()) == 3


def test_invalid_addresses_are_named_by_index_and_nobody_is_invited(app, cast, program):
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
def test_malformed_body_is_refused(cast, api, body):
    response = api(cast.ada.session()).post(f"/teams/{cast.acme.id}/invitations", body)
    problem_of(response, 422, "validation_failed")


def admin_requests(cast):
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


@pytest.mark.parametrize("user", ["ben", "vic", "ci"])
def test_members_below_admin_get_403_with_the_reason(app, cast, api, user):
    program = api(getattr(cast, user).key().secret)
    before = rows.audit_events(app)
    for method, path, body in admin_requests(cast):
        problem = problem_of(program.send(method, path, body), 403, "insufficient_rights")
        assert problem["detail"] == "This needs Admin rights to Acme."
    assert rows.audit_events(app) == before


@pytest.mark.parametrize("user", ["charlie", "nina", "sam"])
def test_team_is_404_for_outsiders(app, cast, api, user):
    program = api(getattr(cast, user).session())
    before = rows.audit_events(app)
    reads = [("GET", f"/teams/{cast.acme.id}", None), ("GET", f"/teams/{cast.acme.id}/members", None)]
    for method, path, body in [*admin_requests(cast), *reads]:
        problem = problem_of(program.send(method, path, body), 404, "not_found")
        missing = program.send(method, path.replace(cast.acme.id, "team_0000000000000000"), body)
        assert problem_of(missing, 404, "not_found") == problem
    assert rows.audit_events(app) == before


def test_last_admin_can_neither_be_demoted_nor_leave(cast, program):
    ada, path = program(cast.ada), f"/teams/{cast.acme.id}/members/{cast.ada.id}"
    for response in (ada.patch(path, {"rights": "edit"}), ada.delete(path)):
        assert problem_of(response, 409, "conflict")["detail"] == "A team needs at least one admin."
    assert rights_of(cast.ada, cast.acme) == "admin"


def test_member_can_leave_and_a_service_account_cannot(cast, program, api):
    assert program(cast.ben).delete(f"/teams/{cast.acme.id}/members/{cast.ben.id}").status_code == 204
    assert rights_of(cast.ben, cast.acme) is None
    ci = api(cast.ci.key().secret)
    problem_of(ci.delete(f"/teams/{cast.acme.id}/members/{cast.ci.id}"), 403, "insufficient_rights")
    assert rights_of(cast.ci, cast.acme) == "edit"


def test_changed_rights_apply_to_the_next_request(cast, api):
    ada, ben = api(cast.ada.session()), api(cast.ben.key().secret)
    path = f"/teams/{cast.acme.id}/invitations"
    problem_of(ben.get(path), 403, "insufficient_rights")
    ada.patch(f"/teams/{cast.acme.id}/members/{cast.ben.id}", {"rights": "admin"})
    assert ben.get(path).status_code == 200
    ada.patch(f"/teams/{cast.acme.id}/members/{cast.ben.id}", {"rights": "view"})
    problem_of(ben.get(path), 403, "insufficient_rights")


def test_idle_session_can_invite(cast, api):
    """The request first updates the session's last activity; counting mails must not wait for that lock."""
    ada = api(cast.ada.session())
    cast.ada.change_sessions(last_active_at=now() - timedelta(hours=1))
    body = {"emails": ["eve@initech.example"], "rights": "view"}
    assert ada.post(f"/teams/{cast.acme.id}/invitations", body).status_code == 201


@pytest.mark.parametrize("name", ["", "x" * 121, "a\nb", "\u200b"])
def test_team_needs_a_name(cast, api, name):
    response = api(cast.ada.session()).patch(f"/teams/{cast.acme.id}", {"name": name})
    assert problem_of(response, 422, "validation_failed")["errors"][0]["field"] == "name"
