"""The pages of a service account's keys."""

import pytest

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.html import parse
from tests.teams.service_account_actions import DIALOG, PANEL, SECRET, account_path, set_disabled

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def account_url(cast):
    return account_path(cast.acme, cast.ci)


def create_key(ada, account_url, name, headers=None):
    form = ada.page(f"{account_url}/keys/new", headers=headers and DIALOG)
    return ada.submit(form, f"{account_url}/keys", headers=headers, name=name)


def test_page_explains_what_its_keys_can_do(ada, account_url):
    page = ada.page(account_url)
    assert "Keys let programs use Reflow as acme-ci." in page.text
    assert "opens Acme with Edit rights and nothing else" in page.text
    assert [button.text for button in page.all("button")].count("Create New API Key") == 1
    assert "use Reflow as acme-ci, without logging in" in page.text


def test_note_about_the_subscription_links_to_that_of_the_team(cast, ada):
    cast.solo.add(cast.ada, Rights.ADMIN)
    ada.send("/account/team/choice", team=cast.acme.id)
    account = factories.service_account(cast.ada.app, cast.solo, "solo-bot")
    page = ada.page(account_path(cast.solo, account))
    [link] = [link["href"] for link in page.all("a") if link.text == "Open Subscription"]
    assert "No subscription yet" in ada.page(link).text


@pytest.mark.parametrize("headers", [None, PANEL])
def test_key_is_created_by_an_admin_and_shown_once(app, cast, ada, api, account_url, headers):
    response = create_key(ada, account_url, "deploy", headers)
    assert response.status_code == (201 if headers else 200)
    assert "can act as acme-ci" in parse(response.text).text
    [secret] = set(SECRET.findall(response.text))
    me = api(secret).get("/me").json
    assert (me["user"]["name"], me["user"]["kind"]) == ("acme-ci", "service_account")
    assert [(team["name"], team["rights"]) for team in me["teams"]] == [("Acme", "edit")]
    assert not SECRET.search(ada.get(account_url).text)
    assert ("api_key.created", "Ada Park", "deploy") in rows.audit_events(app)
    assert "deploy" in ada.page(account_url).text
    assert "deploy" not in ada.page("/account/api-keys").text


def test_key_name_is_unique_within_an_account(cast, ada, account_url):
    cast.ada.key("deploy")
    assert create_key(ada, account_url, "deploy").status_code == 200
    response = create_key(ada, account_url, "DEPLOY")
    assert response.status_code == 422
    assert "acme-ci already has a key named deploy" in response.text


def test_form_sent_twice_creates_one_key(app, ada, account_url):
    form = ada.page(f"{account_url}/keys/new")
    first = ada.submit(form, f"{account_url}/keys", name="deploy")
    again = ada.submit(form, f"{account_url}/keys", name="deploy")
    assert (first.status_code, again.status_code) == (200, 409)
    assert "already created" in again.text
    assert SECRET.search(first.text).group() not in again.text
    assert rows.count(app, ApiKey) == 1


@pytest.mark.parametrize("headers", [None, PANEL])
def test_bin_asks_before_it_revokes(cast, ada, api, account_url, headers):
    key = cast.ci.key("deploy")
    path = f"{account_url}/keys/{key.id}/revocation"
    response = ada.submit(ada.page(path, headers=headers and DIALOG), path, headers=headers)
    assert response.status_code == (200 if headers else 303)
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")


def test_key_creation_requires_a_recent_proof(app, cast, ada, account_url):
    cast.ada.change_sessions(proven_at=None)
    response = ada.send(f"{account_url}/keys", name="deploy", nonce="one")
    assert response.status_code == 403
    assert "Confirm that it is you" in response.text
    response = ada.submit(
        parse(response.text), f"{account_url}/keys", proof_password=cast.ada.password
    )  # pragma: allowlist secret
    assert SECRET.search(response.text)


def test_key_creation_needs_the_subscription_of_the_owning_team(cast, ada, account_url):
    paid = cast.globex
    paid.add(cast.ada, "edit")
    cast.acme.unsubscribe()
    assert ada.get(f"{account_url}/keys/new").status_code == 403
    assert ada.send(f"{account_url}/keys", name="deploy", nonce="one").status_code == 403
    assert "subscription is inactive" in ada.page(account_url).text
    assert ada.get("/account/api-keys/new").status_code == 200


def test_disabled_account_gets_no_key(app, cast, ada, account_url):
    set_disabled(cast.acme, cast.ci, True, cast.ada)
    response = ada.send(f"{account_url}/keys", name="deploy", nonce="one")
    assert response.status_code == 409
    assert "Enable it before" in response.text
    assert rows.count(app, ApiKey) == 0


def test_page_of_an_account_deleted_meanwhile_asks_to_reload(ada, account_url):
    ada.send(f"{account_url}/deletion")
    dialog = ada.page(f"{account_url}/keys/new", 410, headers=DIALOG)
    assert "This page is out of date" in dialog.text
    assert "This service account was deleted. Reload the page" in dialog.text
    assert "This no longer exists" in ada.page(account_url, 410).text


def test_own_keys_are_404_below_a_service_account(cast, ada, account_url):
    own_key, account_key = cast.ada.key("mine"), cast.ci.key("its")
    assert ada.get(f"{account_url}/keys/{own_key.id}/revocation").status_code == 404
    assert ada.send(f"{account_url}/keys/{own_key.id}/revocation").status_code == 404
    assert ada.get(f"/account/api-keys/{account_key.id}/revocation").status_code == 404


def test_scope_of_own_keys_is_explained_once_above_the_table(cast, ada):
    cast.ada.key("laptop"), cast.ada.key("old-ci")
    page = ada.page("/account/api-keys")
    assert page.text.count("opens everything that you can do (1 team)") == 1
    assert ci_key_links(page) == [f"/account/teams/{cast.acme.id}/ci-key"]
    assert [row.all("th")[0].text.split()[0] for row in rows_of(page)] == ["old-ci", "laptop"]
    assert not [row for row in rows_of(page) if "everything" in row.text]


def test_ci_key_links_are_for_each_team_or_for_the_chosen_one(cast, ada):
    cast.globex.add(cast.ada, "admin")
    page = ada.page("/account/api-keys")
    assert "(2 teams)" in page.text
    wizards = [link.text for link in page.with_id("key-for-ci").all("a")]
    assert wizards == ["A key for CI (Acme)", "A key for CI (Globex)"]
    ada.send("/account/team/choice", team=cast.globex.id)
    assert ci_key_links(ada.page("/account/api-keys")) == [f"/account/teams/{cast.globex.id}/ci-key"]


def test_member_below_admin_is_told_to_ask_an_admin(cast, client):
    cast.ben.key("laptop")
    cast.ben.sign_in(client)
    page = client.page("/account/api-keys")
    assert "Ask an Admin of your team" in page.text
    assert not ci_key_links(page)
    assert "opens everything that you can do (1 team)" in page.text


def test_scope_of_own_keys_is_not_on_the_page_of_an_account(cast, ada, account_url):
    cast.ci.key("deploy")
    assert "everything that you can do" not in ada.page(account_url).text


def ci_key_links(page):
    return [link["href"] for link in page.all("a") if link["href"].endswith("/ci-key")]


def rows_of(page):
    return [row for body in page.with_id("api-keys-table").all("tbody") for row in body.all("tr")]


def test_service_account_renames_and_revokes_its_own_key(cast, api):
    key, other = cast.ci.key("deploy"), cast.ci.key("other")
    assert api(key.secret).patch(f"/keys/{other.id}", json={"name": "renamed"}).status_code == 200
    assert api(key.secret).delete(f"/keys/{other.id}").status_code == 204
    problem_of(api(other.secret).get("/me"), 401, "revoked_key")
    assert api(key.secret).delete(f"/keys/{key.id}").status_code == 204
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")
