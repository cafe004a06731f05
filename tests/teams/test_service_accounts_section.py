"""The section "Service accounts": list, create, edit, disable, delete, with and without htmx."""

import pytest

from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.html import parse
from tests.teams.service_account_acts import DIALOG, PANEL, create, names_in, page_of, section, tab

pytestmark = pytest.mark.postgresql_later

SENTENCE = "A service account owns keys on behalf of a program, so they keep working when a person leaves."


def table(page):
    """Return the rows of the section's table: the texts of their cells."""
    panel = page.with_id("teams-service-accounts")
    return [
        [cell.text for cell in row.children if not isinstance(cell, str)]
        for body in panel.all("tbody")
        for row in body.all("tr")
    ]


def buttons(page):
    return {button["aria-label"] or button.text for button in page.all("button")}


@pytest.mark.parametrize("path", ["/account/team", None])
def test_admins_see_the_accounts_with_keys_and_use_and_what_they_may_do(cast, ada, api, path):
    key = cast.ci.key("deploy")
    cast.ci.key("nightly")
    api(key.secret).get("/me")
    page = ada.page(path or tab(cast.acme))
    assert SENTENCE in page.text
    headings = [
        cell.text for cell in page.with_id("teams-service-accounts").all("th") if cell["scope"] == "col"
    ]
    assert headings[:4] == ["Name", "Keys", "Last used", "Created"]
    [row] = table(page)
    assert row[0].startswith("acme-ci") and "Edit" in row[0]
    assert row[1:4] == ["2", "Just now", "Today"]
    assert {"Create service account", "Edit acme-ci", "Delete acme-ci"} <= buttons(page)


@pytest.mark.parametrize(("who", "rights"), [("ben", "Edit"), ("vic", "View")])
@pytest.mark.parametrize("path", ["/account/team", None])
def test_other_members_see_them_and_their_use_but_no_buttons(cast, client, who, rights, path):
    getattr(cast, who).sign_in(client)
    page = client.page(path or tab(cast.acme))
    assert f"Your rights: {rights}." in page.with_id("teams-service-accounts").text
    assert [row[0].split()[0] for row in table(page)] == ["acme-ci"]
    assert not {"Create service account", "Edit acme-ci", "Delete acme-ci"} & buttons(page)
    assert client.get(f"/account/activity?account={cast.ci.id}").status_code == 200


def test_address_of_the_section_leads_to_the_tab(cast, client):
    cast.vic.sign_in(client)
    answer = client.get(section(cast.acme))
    assert answer.headers["Location"] == f"{tab(cast.acme)}#teams-service-accounts"
    assert client.get(section(cast.globex)).status_code == 404


def test_without_one_the_section_says_what_they_are_for(cast, client):
    cast.charlie.sign_in(client)
    assert "No service accounts yet" in client.page(tab(cast.globex)).text


def test_account_is_made_with_edit_rights_unless_view_is_chosen(app, cast, ada):
    assert create(ada, cast.acme, "deploy").headers["Location"] == f"{tab(cast.acme)}#teams-service-accounts"
    assert "Service account deploy created." in ada.page(tab(cast.acme)).text
    create(ada, cast.acme, "reports", rights="view")
    rights = {row[0].split()[0]: row[0].split()[1] for row in table(ada.page(tab(cast.acme)))}
    assert rights == {"reports": "View", "deploy": "Edit", "acme-ci": "Edit"}
    assert ("service_account.created", "Ada Park", "deploy (Edit)") in rows.acts(app)


@pytest.mark.parametrize("rights", ["admin", "", "owner"])
def test_it_never_has_admin_rights(cast, ada, rights):
    for path in (f"{section(cast.acme)}/new", f"{page_of(cast.acme, cast.ci)}/settings"):
        answer = ada.submit(ada.page(path), path.removesuffix("/new"), name="robot", rights=rights)
        assert answer.status_code == 422
        assert "View or" in answer.text
    assert names_in(cast.acme) == ["acme-ci"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Enter a name for this service account"),
        ("x" * 121, "Use at most 120 characters"),
        ("a\u202eb", "Leave out"),
        ("ACME-CI", "Acme has a service account named acme-ci already"),
        ("\u0430cme-ci\u3164", "Acme has a service account named acme-ci already"),
    ],
)
@pytest.mark.parametrize("headers", [None, PANEL])
def test_bad_name_comes_back_with_the_reason(cast, ada, name, sentence, headers):
    form = ada.page(f"{section(cast.acme)}/new", headers=headers and DIALOG)
    answer = ada.submit(form, section(cast.acme), headers=headers, name=name)
    assert answer.status_code == 422
    page = parse(answer.text)
    assert sentence in page.with_id("name-error").text
    assert ada.submit(page, section(cast.acme), headers=headers, name="good").status_code in (200, 303)
    assert names_in(cast.acme) == ["acme-ci", "good"]


def test_in_the_dialog_the_section_changes_behind_it(cast, ada):
    form = ada.page(f"{section(cast.acme)}/new", headers=DIALOG)
    answer = ada.submit(form, section(cast.acme), headers=PANEL, name="deploy")
    assert "Service account deploy created." in answer.headers["HX-Trigger"]
    fragment = parse(answer.text)
    assert fragment.with_id("teams-service-accounts")["hx-swap-oob"] == "true"
    assert [row[0].split()[0] for row in table(fragment)] == ["deploy", "acme-ci"]


def test_another_team_may_use_the_same_name_and_a_deleted_one_gives_it_free(app, cast, ada, client):
    path = f"{page_of(cast.acme, cast.ci)}/deletion"
    ada.submit(ada.page(path), path)
    assert create(ada, cast.acme, "acme-ci").status_code == 303
    stranger = cast.charlie.sign_in(app.test_client())
    assert create(stranger, cast.globex, "acme-ci").status_code == 303
    assert names_in(cast.acme) == names_in(cast.globex) == ["acme-ci"]


def test_name_and_rights_can_be_changed(app, cast, ada):
    path = f"{page_of(cast.acme, cast.ci)}/settings"
    form = ada.page(path)
    [name] = [item for item in form.all("input") if item["name"] == "name"]
    assert name["value"] == "acme-ci"
    assert ada.submit(form, path, name="Acme-CI", rights="view").status_code == 303
    assert table(ada.page(tab(cast.acme)))[0][0].startswith("Acme-CI View")
    told = rows.acts(app)
    assert ("member.rights_changed", "Ada Park", "Acme-CI (Edit → View)") in told
    assert ("service_account.changed", "Ada Park", "acme-ci → Acme-CI") in told
    assert ada.submit(ada.page(path), path).status_code == 303
    assert rows.acts(app) == told


@pytest.mark.parametrize("headers", [None, PANEL])
def test_deleting_asks_first_revokes_the_keys_and_keeps_the_record(app, cast, ada, api, headers):
    key = cast.ci.key("deploy")
    api(key.secret).get("/me")
    path = f"{page_of(cast.acme, cast.ci)}/deletion"
    question = ada.page(path, headers=headers and DIALOG)
    assert "Delete acme-ci?" in question.text
    assert api(key.secret).get("/me").status_code == 200
    assert ada.submit(question, path, headers=headers).status_code == (200 if headers else 303)
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")
    assert names_in(cast.acme) == []
    assert [use.status for use in rows.uses_of(app, key.id)] == [200, 200]
    told = [act for act, *_ in rows.acts(app)]
    assert told.count("service_account.deleted") == told.count("api_key.revoked") == 1
    page = ada.page(f"/account/activity?account={cast.ci.id}")
    assert {"Service account deleted", "API key used"} <= {
        cell.text.split(" GET")[0] for cell in page.all("th")
    }


@pytest.mark.parametrize("headers", [None, PANEL])
def test_deleting_twice_ends_the_same(app, cast, ada, headers):
    path = f"{page_of(cast.acme, cast.ci)}/deletion"
    answers = [ada.send(path, headers=headers) for _ in range(3)]
    assert len({answer.status_code for answer in answers}) == 1
    assert [act for act, *_ in rows.acts(app)].count("service_account.deleted") == 1
    assert "was already deleted" in ada.page(path, 410, headers=headers and DIALOG).text
    assert ada.get(page_of(cast.acme, cast.ci)).status_code == 410


def test_disabled_its_keys_stop_at_once_and_work_again(app, cast, ada, api):
    key, path = cast.ci.key("deploy"), page_of(cast.acme, cast.ci)
    ada.submit(ada.page(path), f"{path}/standing")
    problem_of(api(key.secret).get("/me"), 401, "account_disabled")
    page = ada.page(path)
    assert "acme-ci is disabled" in page.text
    assert "Disabled" in table(ada.page(tab(cast.acme)))[0][0]
    for _ in range(2):
        assert ada.send(f"{path}/standing", disabled="false").status_code == 303
    assert api(key.secret).get("/me").status_code == 200
    told = [act for act, *_ in rows.acts(app)]
    assert told.count("service_account.disabled") == told.count("service_account.enabled") == 1
    assert ada.send(f"{path}/standing", disabled="perhaps").status_code == 422


@pytest.mark.parametrize(
    ("rest", "fields"),
    [("", {"name": "robot"}), ("/{id}/settings", {"name": "robot"}), ("/{id}/deletion", {})],
)
def test_grave_act_asks_for_a_proof_and_then_goes_on(app, cast, ada, rest, fields):
    path = section(cast.acme) + rest.format(id=cast.ci.id)
    form = ada.page(path if rest else f"{path}/new")
    cast.ada.change_sessions(proven_at=None)
    asked = ada.submit(form, path, **fields)
    assert asked.status_code == 403
    assert names_in(cast.acme) == ["acme-ci"]
    answer = ada.submit(parse(asked.text), path, proof_password=cast.ada.password)
    assert answer.status_code == 303
    assert names_in(cast.acme) != ["acme-ci"]


def test_statements_of_the_section_do_not_grow_with_its_rows(app, cast, ada, api):
    def statements() -> int:
        with rows.watching(app) as found:
            assert ada.get(tab(cast.acme)).status_code == 200
        return found.count

    api(cast.ci.key().secret).get("/me")
    statements()
    few = statements()
    for number in range(8):
        account = factories.service_account(app, cast.acme, f"robot {number}", Rights.VIEW)
        api(account.key().secret).get("/me")
    assert statements() == few


def test_names_are_text_and_not_markup(cast, ada):
    name = "<b>&\"'</b>{{ 7*7 }}"
    robot = factories.service_account(cast.ada.app, cast.acme, name)
    place = page_of(cast.acme, robot)
    for path in (place, f"{place}/settings", f"{place}/deletion", "/account/team"):
        answer = ada.get(path)
        assert "<b>&" not in answer.text
        assert name in parse(answer.text).text
