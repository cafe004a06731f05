"""`/teams/<id>/service-accounts` in the API, and actions forbidden to a service account."""

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


def test_account_is_created_shown_and_listed(cast, ada, path):
    response = ada.post(path, {"name": "deploy"})
    assert response.status_code == 201
    created = response.json
    assert set(created) == FIELDS
    assert (created["name"], created["rights"], created["disabled"], created["key_count"]) == (
        "deploy",
        "edit",
        False,
        0,
    )
    assert response.headers["Location"].endswith(f"/api/v1{path}/{created['id']}")
    assert ada.get(f"{path}/{created['id']}").json == created
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
def test_bad_input_is_explained(ada, path, body, field):
    problem = problem_of(ada.post(path, body), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == [field]


def test_name_rights_and_state_are_changed_independently(cast, ada, api, path):
    account_url, key = f"{path}/{cast.ci.id}", cast.ci.key()
    assert ada.patch(account_url, {"name": "robot"}).json["name"] == "robot"
    assert ada.patch(account_url, {"rights": "view"}).json["rights"] == "view"
    assert api(key.secret).get("/me").json["teams"][0]["rights"] == "view"
    assert ada.patch(account_url, {"disabled": True}).json["disabled"] is True
    problem_of(api(key.secret).get("/me"), 401, "account_disabled")
    account = ada.patch(account_url, {"disabled": False}).json
    assert (account["name"], account["rights"], account["disabled"]) == ("robot", "view", False)
    assert api(key.secret).get("/me").status_code == 200
    problem_of(ada.patch(account_url, {"rights": "admin"}), 422, "validation_failed")
    problem_of(ada.patch(account_url, {"disabled": "yes"}), 422, "validation_failed")


@pytest.mark.parametrize("value", [1, 0, 1.0, "true", "", None, [], {}, [True]])
def test_disabled_must_be_a_boolean(cast, ada, path, value):
    account_url = f"{path}/{cast.ci.id}"
    problem = problem_of(ada.patch(account_url, {"disabled": value}), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["disabled"]
    assert ada.get(account_url).json["disabled"] is False


def test_deleted_account_is_410_and_its_keys_are_revoked(app, cast, ada, api, path):
    account_url, key = f"{path}/{cast.ci.id}", cast.ci.key()
    assert [ada.delete(account_url).status_code for _ in range(2)] == [204, 204]
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")
    problem_of(ada.get(account_url), 410, "gone")
    problem_of(ada.patch(account_url, {"name": "back"}), 410, "gone")
    problem_of(ada.post(f"{account_url}/keys", {"name": "back"}), 410, "gone")
    assert [item["id"] for item in ada.get(f"{account_url}/keys?state=revoked").json["items"]] == [key.id]
    assert ada.get(path).json["items"] == []
    assert [act for act, *_ in rows.audit_events(app)].count("service_account.deleted") == 1


def test_keys_of_an_account_are_created_shown_listed_and_revoked(cast, ada, api, path):
    keys = f"{path}/{cast.ci.id}/keys"
    response = ada.post(keys, {"name": "deploy"})
    key = response.json
    assert response.status_code == 201
    assert response.headers["Location"].endswith(f"{keys}/{key['id']}")
    assert api(key["secret"]).get("/me").json["user"]["name"] == "acme-ci"
    assert ada.get(f"{keys}/{key['id']}").json["use_count"] == 1
    assert key["secret"] not in ada.get(keys).text
    assert [item["id"] for item in ada.get(keys).json["items"]] == [key["id"]]
    assert ada.get(f"{path}/{cast.ci.id}").json["key_count"] == 1
    assert [ada.delete(f"{keys}/{key['id']}").status_code for _ in range(2)] == [204, 204]
    problem_of(api(key["secret"]).get("/me"), 401, "revoked_key")
    problem_of(ada.get(f"{keys}/{key['id']}"), 410, "gone")


def test_key_can_expire(cast, ada, path):
    expires_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    created = ada.post(f"{path}/{cast.ci.id}/keys", {"name": "deploy", "expires_at": expires_at}).json
    assert created["expires_at"]


def test_accounts_and_keys_are_paginated(app, cast, ada, path):
    created = [factories.service_account(app, cast.acme, f"robot {number}").id for number in range(4)]
    pages = ada.pages(path, limit=2)
    assert [item["id"] for page in pages for item in page] == [*created[::-1], cast.ci.id]
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


@pytest.mark.parametrize(("method", "suffix", "body"), WRITES)
@pytest.mark.parametrize("user", ["ben", "vic", "ci"])
def test_accounts_are_managed_by_admins_only(cast, program, api, path, user, method, suffix, body):
    key = cast.ci.key()
    url = path + suffix.format(id=cast.ci.id, key=key.id)
    problem_of(program(getattr(cast, user)).send(method, url, body), 403, "insufficient_rights")
    assert api(key.secret).get("/me").json["teams"][0]["rights"] == "edit"


@pytest.mark.parametrize("user", ["ben", "vic", "ci"])
def test_accounts_are_visible_to_members(cast, program, path, user):
    member = program(getattr(cast, user))
    assert [item["name"] for item in member.get(path).json["items"]] == ["acme-ci"]
    assert member.get(f"{path}/{cast.ci.id}").status_code == 200


@pytest.mark.parametrize(("method", "suffix", "body"), WRITES + READS)
def test_accounts_are_404_for_outsiders(cast, program, path, method, suffix, body):
    key = cast.ci.key()
    url = path + suffix.format(id=cast.ci.id, key=key.id)
    problem_of(program(cast.charlie).send(method, url, body), 404, "not_found")


@pytest.mark.parametrize(("method", "suffix", "body"), WRITES[1:] + READS[1:])
def test_accounts_are_404_below_another_team(app, cast, program, method, suffix, body):
    """An Admin of one team cannot reach the accounts of another in a URL with the own team."""
    key = cast.ci.key()
    url = f"/teams/{cast.globex.id}/service-accounts" + suffix.format(id=cast.ci.id, key=key.id)
    problem_of(program(cast.charlie).send(method, url, body), 404, "not_found")


def test_person_is_no_service_account(cast, ada, path):
    problem_of(ada.get(f"{path}/{cast.ben.id}"), 404, "not_found")
    problem_of(ada.delete(f"{path}/{cast.ben.id}"), 404, "not_found")


def test_service_account_cannot_create_keys(app, cast, api):
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
