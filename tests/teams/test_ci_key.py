"""A key for CI: one page, one submission, an account with its key, and lines that work."""

from urllib.parse import unquote

import pytest

from reflow_accounts.api_keys.models import ApiKey
from tests import factories
from tests.helpers import rows
from tests.helpers.html import parse
from tests.teams.service_account_acts import SECRET, names_in, tab, wizard

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def lone(app, client):
    """An Admin whose team has no service account yet: the browser, and the team."""
    person = factories.person(app)
    group = factories.team(app, "Web & Söhne", person, active=True)
    return person.sign_in(client), group


def value_of(page, name):
    [field] = [item for item in page.all("input") if item["name"] == name and item["type"] != "radio"]
    return field["value"]


def test_names_are_proposed_and_edit_is_chosen(lone, cast, app):
    browser, group = lone
    page = browser.page(wizard(group))
    assert value_of(page, "name") == "web-söhne-ci"
    assert value_of(page, "key_name") == "ci"
    chosen = [item["value"] for item in page.all("input") if "checked" in item]
    assert chosen == ["edit"]


def test_name_that_is_taken_is_not_proposed(cast, ada):
    assert value_of(ada.page(wizard(cast.acme)), "name") == "acme-ci-2"


def test_one_submission_makes_account_and_key_and_shows_the_key_once(app, lone, api):
    browser, group = lone
    answer = browser.submit(browser.page(wizard(group)), wizard(group), name="web-ci", key_name="github")
    assert answer.status_code == 200
    page = parse(answer.text)
    [field] = page.all("textarea")
    assert answer.text.count(field.text) == 2  # the field and the download
    [file] = [unquote(link["href"]).partition(",")[2] for link in page.all("a") if link["download"]]
    assert file == f"# server: http://localhost\n{field.text}\n"
    me = api(field.text).get("/me").json
    assert (me["user"]["name"], me["authenticated_by"]["name"]) == ("web-ci", "github")
    assert [(team["name"], team["rights"]) for team in me["teams"]] == [("Web & Söhne", "edit")]
    assert names_in(group) == ["web-ci"]
    assert [act for act, *_ in rows.acts(app)][-2:] == ["service_account.created", "api_key.created"]
    assert field.text not in browser.get(tab(group)).text
    for block in ("lines-checkout", "lines-github", "lines-gitlab", "lines-jenkins"):
        words = page.with_id(block).text
        assert "reflow whoami" in words
        assert "http://localhost" in words
        assert not SECRET.search(words)


def test_sent_again_it_makes_nothing_and_shows_nothing(app, lone):
    browser, group = lone
    form = browser.page(wizard(group))
    first = browser.submit(form, wizard(group))
    for name in (value_of(form, "name"), "another"):
        again = browser.submit(form, wizard(group), name=name)
        assert again.status_code == 409
        assert "already created" in again.text
        assert SECRET.search(first.text).group() not in again.text
    assert rows.count(app, ApiKey) == len(names_in(group)) == 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"name": "ACME-ci"}, "name"),
        ({"key_name": ""}, "key_name"),
        ({"key_name": "x" * 65}, "key_name"),
        ({"rights": "admin"}, "rights"),
    ],
)
def test_bad_input_says_why_and_makes_neither(app, cast, ada, fields, wrong):
    answer = ada.submit(ada.page(wizard(cast.acme)), wizard(cast.acme), **fields)
    assert answer.status_code == 422
    page = parse(answer.text)
    assert page.all("title")[0].text.startswith("Error: ")
    assert page.with_id(f"{wrong}-error")
    assert names_in(cast.acme) == ["acme-ci"]
    assert rows.count(app, ApiKey) == 0
    assert ada.submit(page, wizard(cast.acme), name="ok", key_name="ok", rights="view").status_code == 200


@pytest.mark.parametrize("nonce", ["", "x" * 65])
def test_form_without_its_number_makes_nothing(app, cast, ada, nonce):
    fields = {"name": "robot", "rights": "edit", "key_name": "ci", "nonce": nonce}
    assert ada.send(wizard(cast.acme), **fields).status_code == 422
    assert names_in(cast.acme) == ["acme-ci"]


def test_without_a_subscription_it_leads_to_support(cast, client):
    cast.nina.sign_in(client)
    assert "Contact support" in client.page(wizard(cast.solo), 403).text
    fields = {"name": "robot", "rights": "edit", "key_name": "ci", "nonce": "one"}
    assert client.send(wizard(cast.solo), **fields).status_code == 403
    assert names_in(cast.solo) == []


def test_it_needs_a_recent_proof_and_goes_on_after_it(cast, ada):
    form = ada.page(wizard(cast.acme))
    cast.ada.change_sessions(proven_at=None)
    asked = ada.submit(form, wizard(cast.acme), name="robot")
    assert asked.status_code == 403
    assert names_in(cast.acme) == ["acme-ci"]
    page = parse(asked.text)
    answer = ada.submit(page, wizard(cast.acme), proof_password=cast.ada.password)  # pragma: allowlist secret
    assert SECRET.search(answer.text)
    assert names_in(cast.acme) == ["acme-ci", "robot"]
