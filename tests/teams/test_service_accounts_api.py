"""`/teams/<id>/service-accounts` for programs, and what a service account may not."""

from datetime import UTC, datetime, timedelta

import pytest

from reflow_accounts.api_keys.models import ApiKey
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

FIELDS = {"id", "name", "rights", "disabled", "created_at", "last_used_at", "key_count"}


@pytest.fixture
def path(cast):
    return f"/teams/{cast.acme.id}/service-accounts"


@pytest.fixture
def ada(cast, program):
    return program(cast.ada)


def test_account_is_made_shown_and_listed(cast, ada, path):
    answer = ada.post(path, {"name": "deploy"})
    assert answer.status_code == 201
    made = answer.json
    assert set(made) == FIELDS
    assert (made["name"], made["rights"], made["disabled"], made["key_count"]) == ("deploy", "edit", False, 0)
    assert answer.headers["Location"].endswith(f"/api/v1{path}/{made['id']}")
    assert ada.get(f"{path}/{made['id']}").json == made
    assert [item["name"] for item in ada.get(path).json["items"]] == ["deploy", "acme-ci"]
    assert ada.post(path, {"name": "reports", "rights": "view"}).json["rights"] == "view"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "Acme-CI"}, "name"),
        ({"name": "x", "rights": "admin"}, "rights"),
        ({"name": "x", "colour": "red"}, "colour"),
    ],
)
def test_bad_input_says_why(ada, path, body, field):
    problem = problem_of(ada.post(path, body), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == [field]


def test_name_rights_and_standing_are_changed_each_alone(cast, ada, api, path):
    one, key = f"{path}/{cast.ci.id}", cast.ci.key()
    assert ada.patch(one, {"name": "robot"}).json["name"] == "robot"
    assert ada.patch(one, {"rights": "view"}).json["rights"] == "view"
    assert api(key.secret).get("/me").json["teams"][0]["rights"] == "view"
    assert ada.patch(one, {"disabled": True}).json["disabled"] is True
    problem_of(api(key.secret).get("/me"), 401, "account_disabled")
    shown = ada.patch(one, {"disabled": False}).json
    assert (shown["name"], shown["rights"], shown["disabled"]) == ("robot", "view", False)
    assert api(key.secret).get("/me").status_code == 200
    problem_of(ada.patch(one, {"rights": "admin"}), 422, "validation_failed")
    problem_of(ada.patch(one, {"disabled": "yes"}), 422, "validation_failed")


@pytest.mark.parametrize("value", [1, 0, 1.0, "true", "", None, [], {}, [True]])
def test_disabled_is_true_or_false_and_nothing_like_it(cast, ada, path, value):
    one = f"{path}/{cast.ci.id}"
    problem = problem_of(ada.patch(one, {"disabled": value}), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["disabled"]
    assert ada.get(one).json["disabled"] is False


def test_deleted_account_is_gone_and_its_keys_are_revoked(app, cast, ada, api, path):
    one, key = f"{path}/{cast.ci.id}", cast.ci.key()
    assert [ada.delete(one).status_code for _ in range(2)] == [204, 204]
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")
    problem_of(ada.get(one), 410, "gone")
    problem_of(ada.patch(one, {"name": "back"}), 410, "gone")
    problem_of(ada.post(f"{one}/keys", {"name": "back"}), 410, "gone")
    assert [item["id"] for item in ada.get(f"{one}/keys?state=revoked").json["items"]] == [key.id]
    assert ada.get(path).json["items"] == []
    assert [act for act, *_ in rows.acts(app)].count("service_account.deleted") == 1


def test_its_keys_are_made_shown_listed_and_revoked(cast, ada, api, path):
    keys = f"{path}/{cast.ci.id}/keys"
    answer = ada.post(keys, {"name": "deploy"})
    key = answer.json
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(f"{keys}/{key['id']}")
    assert api(key["secret"]).get("/me").json["user"]["name"] == "acme-ci"
    assert ada.get(f"{keys}/{key['id']}").json["use_count"] == 1
    assert key["secret"] not in ada.get(keys).text
    assert [item["id"] for item in ada.get(keys).json["items"]] == [key["id"]]
    assert ada.get(f"{path}/{cast.ci.id}").json["key_count"] == 1
    assert [ada.delete(f"{keys}/{key['id']}").status_code for _ in range(2)] == [204, 204]
    problem_of(api(key["secret"]).get("/me"), 401, "revoked_key")
    problem_of(ada.get(f"{keys}/{key['id']}"), 410, "gone")


def test_key_may_end_by_itself(cast, ada, path):
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = ada.post(f"{path}/{cast.ci.id}/keys", {"name": "deploy", "expires_at": ends}).json
    assert made["expires_at"]


def test_accounts_and_keys_come_in_pages(app, cast, ada, path):
    made = [factories.service_account(app, cast.acme, f"robot {number}").id for number in range(4)]
    pages = ada.pages(path, limit=2)
    assert [item["id"] for page in pages for item in page] == [*made[::-1], cast.ci.id]
    keys = [cast.ci.key().id for _ in range(3)]
    pages = ada.pages(f"{path}/{cast.ci.id}/keys", limit=2)
    assert [item["id"] for page in pages for item in page] == keys[::-1]


WRITES = [
    ("POST", "", {"name": "robot"}),
    ("PATCH", "/{id}", {"rights": "view"}),
    ("DELETE", "/{id}", None),
    ("GET", "/{id}/keys", None),
    ("POST", "/{id}/keys", {"name": "more"}),
    ("GET", "/{id}/keys/{key}", None),
    ("PATCH", "/{id}/keys/{key}", {"name": "other"}),
    ("DELETE", "/{id}/keys/{key}", None),
]
READS = [("GET", "", None), ("GET", "/{id}", None)]


@pytest.mark.parametrize(("method", "rest", "body"), WRITES)
@pytest.mark.parametrize("who", ["ben", "vic", "ci"])
def test_below_admin_nobody_manages_them_nor_they_themselves(
    cast, program, api, path, who, method, rest, body
):
    key = cast.ci.key()
    where = path + rest.format(id=cast.ci.id, key=key.id)
    problem_of(program(getattr(cast, who)).send(method, where, body), 403, "insufficient_rights")
    assert api(key.secret).get("/me").json["teams"][0]["rights"] == "edit"


@pytest.mark.parametrize("who", ["ben", "vic", "ci"])
def test_members_see_them(cast, program, path, who):
    member = program(getattr(cast, who))
    assert [item["name"] for item in member.get(path).json["items"]] == ["acme-ci"]
    assert member.get(f"{path}/{cast.ci.id}").status_code == 200


@pytest.mark.parametrize(("method", "rest", "body"), WRITES + READS)
def test_to_an_outsider_they_are_not_there(cast, program, path, method, rest, body):
    key = cast.ci.key()
    where = path + rest.format(id=cast.ci.id, key=key.id)
    problem_of(program(cast.charlie).send(method, where, body), 404, "not_found")


@pytest.mark.parametrize(("method", "rest", "body"), WRITES[1:] + READS[1:])
def test_through_another_team_they_are_not_there_either(app, cast, program, method, rest, body):
    """An Admin of one team does not reach the accounts of another by naming the own team."""
    key = cast.ci.key()
    where = f"/teams/{cast.globex.id}/service-accounts" + rest.format(id=cast.ci.id, key=key.id)
    problem_of(program(cast.charlie).send(method, where, body), 404, "not_found")


def test_person_is_no_service_account(cast, ada, path):
    problem_of(ada.get(f"{path}/{cast.ben.id}"), 404, "not_found")
    problem_of(ada.delete(f"{path}/{cast.ben.id}"), 404, "not_found")


def test_service_account_makes_no_keys_for_itself(app, cast, api):
    key = cast.ci.key()
    problem_of(api(key.secret).post("/keys", {"name": "more"}), 403, "insufficient_rights")
    assert rows.count(app, ApiKey) == 1


def test_service_account_cannot_sign_in(cast, api, client):
    problem_of(
        api().post("/sessions", {"email": "acme-ci", "password": "x" * 12}), 401, "missing_credentials"
    )
    assert client.send("/login", email="acme-ci", password=cast.ci.password).status_code == 422
    with cast.ci.app.app_context():
        row = cast.ci.row()
        assert (row.email, row.password_hash) == (None, None)
