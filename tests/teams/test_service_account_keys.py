"""The pages of a service account's keys."""

import pytest

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.html import parse
from tests.teams.service_account_acts import DIALOG, PANEL, SECRET, page_of, set_disabled

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def place(cast):
    return page_of(cast.acme, cast.ci)


def make(ada, place, name, headers=None):
    form = ada.page(f"{place}/keys/new", headers=headers and DIALOG)
    return ada.submit(form, f"{place}/keys", headers=headers, name=name)


def test_page_says_as_whom_its_keys_speak(ada, place):
    page = ada.page(place)
    assert "Keys let programs use Reflow as acme-ci." in page.text
    assert "opens Acme with Edit rights and nothing else" in page.text
    assert [button.text for button in page.all("button")].count("Create New API Key") == 1
    assert "use Reflow as acme-ci, without logging in" in page.text


def test_note_about_the_subscription_leads_to_that_of_the_team_of_the_account(cast, ada):
    cast.solo.add(cast.ada, Rights.ADMIN)
    ada.send("/account/team/choice", team=cast.acme.id)
    bot = factories.service_account(cast.ada.app, cast.solo, "solo-bot")
    page = ada.page(page_of(cast.solo, bot))
    [way] = [link["href"] for link in page.all("a") if link.text == "Open Subscription"]
    assert "No subscription yet" in ada.page(way).text


@pytest.mark.parametrize("headers", [None, PANEL])
def test_key_is_made_by_an_admin_and_shown_once(app, cast, ada, api, place, headers):
    answer = make(ada, place, "deploy", headers)
    assert answer.status_code == (201 if headers else 200)
    assert "can act as acme-ci" in parse(answer.text).text
    [secret] = set(SECRET.findall(answer.text))
    me = api(secret).get("/me").json
    assert (me["user"]["name"], me["user"]["kind"]) == ("acme-ci", "service_account")
    assert [(team["name"], team["rights"]) for team in me["teams"]] == [("Acme", "edit")]
    assert not SECRET.search(ada.get(place).text)
    assert ("api_key.created", "Ada Park", "deploy") in rows.acts(app)
    assert "deploy" in ada.page(place).text
    assert "deploy" not in ada.page("/account/api-keys").text


def test_two_keys_of_one_account_differ_in_name_but_may_share_it_with_others(cast, ada, place):
    cast.ada.key("deploy")
    assert make(ada, place, "deploy").status_code == 200
    answer = make(ada, place, "DEPLOY")
    assert answer.status_code == 422
    assert "acme-ci already has a key named deploy" in answer.text


def test_one_form_makes_one_key(app, ada, place):
    form = ada.page(f"{place}/keys/new")
    first = ada.submit(form, f"{place}/keys", name="deploy")
    again = ada.submit(form, f"{place}/keys", name="deploy")
    assert (first.status_code, again.status_code) == (200, 409)
    assert "already created" in again.text
    assert SECRET.search(first.text).group() not in again.text
    assert rows.count(app, ApiKey) == 1


@pytest.mark.parametrize("headers", [None, PANEL])
def test_bin_asks_and_then_revokes(cast, ada, api, place, headers):
    key = cast.ci.key("deploy")
    path = f"{place}/keys/{key.id}/revocation"
    answer = ada.submit(ada.page(path, headers=headers and DIALOG), path, headers=headers)
    assert answer.status_code == (200 if headers else 303)
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")


def test_it_needs_a_recent_proof(app, cast, ada, place):
    cast.ada.change_sessions(proven_at=None)
    answer = ada.send(f"{place}/keys", name="deploy", nonce="one")
    assert answer.status_code == 403
    assert "Confirm that it is you" in answer.text
    answer = ada.submit(
        parse(answer.text), f"{place}/keys", proof_password=cast.ada.password
    )  # pragma: allowlist secret
    assert SECRET.search(answer.text)


def test_gate_is_the_subscription_of_the_owning_team(cast, ada, place):
    paid = cast.globex
    paid.add(cast.ada, "edit")
    cast.acme.unsubscribe()
    assert ada.get(f"{place}/keys/new").status_code == 403
    assert ada.send(f"{place}/keys", name="deploy", nonce="one").status_code == 403
    assert "subscription is inactive" in ada.page(place).text
    assert ada.get("/account/api-keys/new").status_code == 200


def test_disabled_account_gets_no_key(app, cast, ada, place):
    set_disabled(cast.acme, cast.ci, True, cast.ada)
    answer = ada.send(f"{place}/keys", name="deploy", nonce="one")
    assert answer.status_code == 409
    assert "Enable it before" in answer.text
    assert rows.count(app, ApiKey) == 0


def test_page_of_an_account_that_was_deleted_meanwhile_is_reloaded(ada, place):
    ada.send(f"{place}/deletion")
    dialog = ada.page(f"{place}/keys/new", 410, headers=DIALOG)
    assert "This page is out of date" in dialog.text
    assert "This service account was deleted. Reload the page" in dialog.text
    assert "This no longer exists" in ada.page(place, 410).text


def test_ones_own_keys_are_not_reached_through_a_service_account(cast, ada, place):
    own, other = cast.ada.key("mine"), cast.ci.key("its")
    assert ada.get(f"{place}/keys/{own.id}/revocation").status_code == 404
    assert ada.send(f"{place}/keys/{own.id}/revocation").status_code == 404
    assert ada.get(f"/account/api-keys/{other.id}/revocation").status_code == 404


def test_what_ones_own_keys_open_stands_once_above_the_table(cast, ada):
    cast.ada.key("laptop"), cast.ada.key("old-ci")
    page = ada.page("/account/api-keys")
    assert page.text.count("opens everything that you can do (1 team)") == 1
    assert ways(page) == [f"/account/teams/{cast.acme.id}/ci-key"]
    assert [row.all("th")[0].text.split()[0] for row in rows_of(page)] == ["old-ci", "laptop"]
    assert not [row for row in rows_of(page) if "everything" in row.text]


def test_with_several_teams_the_way_leads_to_each_or_to_the_chosen_one(cast, ada):
    cast.globex.add(cast.ada, "admin")
    page = ada.page("/account/api-keys")
    assert "(2 teams)" in page.text
    wizards = [link.text for link in page.with_id("key-for-ci").all("a")]
    assert wizards == ["A key for CI (Acme)", "A key for CI (Globex)"]
    ada.send("/account/team/choice", team=cast.globex.id)
    assert ways(ada.page("/account/api-keys")) == [f"/account/teams/{cast.globex.id}/ci-key"]


def test_who_is_no_admin_is_told_to_ask_one(cast, client):
    cast.ben.key("laptop")
    cast.ben.sign_in(client)
    page = client.page("/account/api-keys")
    assert "Ask an Admin of your team" in page.text
    assert not ways(page)
    assert "opens everything that you can do (1 team)" in page.text


def test_keys_of_a_service_account_say_no_such_thing(cast, ada, place):
    cast.ci.key("deploy")
    assert "everything that you can do" not in ada.page(place).text


def ways(page):
    return [link["href"] for link in page.all("a") if link["href"].endswith("/ci-key")]


def rows_of(page):
    return [row for body in page.with_id("api-keys-table").all("tbody") for row in body.all("tr")]
