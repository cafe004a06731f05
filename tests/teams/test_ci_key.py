"""The page for a CI key: one form creates a service account with its key, and shows configuration lines."""

from urllib.parse import unquote

import pytest

from reflow_accounts.api_keys.models import ApiKey
from tests import factories
from tests.helpers import rows
from tests.helpers.html import parse
from tests.teams.service_account_actions import SECRET, ci_key_path, names_in, tab_path

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def new_team(app, client):
    """An Admin whose team has no service account yet: the browser, and the team."""
    person = factories.person(app)
    group = factories.team(app, "Web & Söhne", person, active=True)
    return person.sign_in(client), group


def value_of(page, name):
    [field] = [item for item in page.all("input") if item["name"] == name and item["type"] != "radio"]
    return field["value"]


def test_names_are_suggested_and_edit_rights_are_preselected(new_team, cast, app):
    browser, group = new_team
    page = browser.page(ci_key_path(group))
    assert value_of(page, "name") == "web-söhne-ci"
    assert value_of(page, "key_name") == "ci"
    chosen = [item["value"] for item in page.all("input") if "checked" in item]
    assert chosen == ["edit"]


def test_taken_name_is_not_suggested(cast, ada):
    assert value_of(ada.page(ci_key_path(cast.acme)), "name") == "acme-ci-2"


def test_form_creates_account_and_key_and_shows_the_key_once(app, new_team, api):
    browser, group = new_team
    response = browser.submit(
        browser.page(ci_key_path(group)), ci_key_path(group), name="web-ci", key_name="github"
    )
    assert response.status_code == 200
    page = parse(response.text)
    [field] = page.all("textarea")
    assert response.text.count(field.text) == 2  # the field and the download
    [file] = [unquote(link["href"]).partition(",")[2] for link in page.all("a") if link["download"]]
    assert file == f"# server: http://localhost\n{field.text}\n"
    me = api(field.text).get("/me").json
    assert (me["user"]["name"], me["authenticated_by"]["name"]) == ("web-ci", "github")
    assert [(team["name"], team["rights"]) for team in me["teams"]] == [("Web & Söhne", "edit")]
    assert names_in(group) == ["web-ci"]
    assert [act for act, *_ in rows.audit_events(app)][-2:] == ["service_account.created", "api_key.created"]
    assert field.text not in browser.get(tab_path(group)).text
    for block in ("lines-checkout", "lines-github", "lines-gitlab", "lines-jenkins"):
        text = page.with_id(block).text
        assert "reflow whoami" in text
        assert "http://localhost" in text
        assert not SECRET.search(text)


def test_form_sent_again_creates_nothing_and_shows_no_secret(app, new_team):
    browser, group = new_team
    form = browser.page(ci_key_path(group))
    first = browser.submit(form, ci_key_path(group))
    for name in (value_of(form, "name"), "another"):
        again = browser.submit(form, ci_key_path(group), name=name)
        assert again.status_code == 409
        assert "already created" in again.text
        assert SECRET.search(first.text).group() not in again.text
    assert rows.count(app, ApiKey) == len(names_in(group)) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "ACME-ci"}, "name"),
        ({"key_name": ""}, "key_name"),
        ({"key_name": "x" * 65}, "key_name"),
        ({"rights": "admin"}, "rights"),
    ],
)
def test_bad_input_is_explained_and_creates_nothing(app, cast, ada, fields, field):
    response = ada.submit(ada.page(ci_key_path(cast.acme)), ci_key_path(cast.acme), **fields)
    assert response.status_code == 422
    page = parse(response.text)
    assert page.all("title")[0].text.startswith("Error: ")
    assert page.with_id(f"{field}-error")
    assert names_in(cast.acme) == ["acme-ci"]
    assert rows.count(app, ApiKey) == 0
    assert (
        ada.submit(page, ci_key_path(cast.acme), name="ok", key_name="ok", rights="view").status_code == 200
    )


@pytest.mark.parametrize("nonce", ["", "x" * 65])
def test_form_without_a_nonce_creates_nothing(app, cast, ada, nonce):
    fields = {"name": "robot", "rights": "edit", "key_name": "ci", "nonce": nonce}
    assert ada.send(ci_key_path(cast.acme), **fields).status_code == 422
    assert names_in(cast.acme) == ["acme-ci"]


def test_page_without_a_subscription_links_to_support(cast, client):
    cast.nina.sign_in(client)
    assert "Contact support" in client.page(ci_key_path(cast.solo), 403).text
    fields = {"name": "robot", "rights": "edit", "key_name": "ci", "nonce": "one"}
    assert client.send(ci_key_path(cast.solo), **fields).status_code == 403
    assert names_in(cast.solo) == []


def test_form_requires_a_recent_proof_and_continues_after_it(cast, ada):
    form = ada.page(ci_key_path(cast.acme))
    cast.ada.change_sessions(proven_at=None)
    proof_page = ada.submit(form, ci_key_path(cast.acme), name="robot")
    assert proof_page.status_code == 403
    assert names_in(cast.acme) == ["acme-ci"]
    page = parse(proof_page.text)
    response = ada.submit(
        page, ci_key_path(cast.acme), proof_password=cast.ada.password
    )  # pragma: allowlist secret
    assert SECRET.search(response.text)
    assert names_in(cast.acme) == ["acme-ci", "robot"]
