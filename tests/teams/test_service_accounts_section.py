"""The section "Service accounts": list, create, edit, disable, delete, with and without htmx."""

import pytest

from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.html import parse
from tests.teams.service_account_actions import (
    DIALOG,
    PANEL,
    account_path,
    create,
    names_in,
    section_path,
    tab_path,
)

pytestmark = pytest.mark.postgresql_later

EXPLANATION = "A service account owns keys on behalf of a program, so they keep working when a person leaves."


def table_of(page):
    """Return the rows of the section's table: the texts of their cells."""
    panel = page.with_id("teams-service-accounts")
    return [
        [cell.text for cell in row.children if not isinstance(cell, str)]
        for body in panel.all("tbody")
        for row in body.all("tr")
    ]


def buttons_of(page):
    return {button["aria-label"] or button.text for button in page.all("button")}


@pytest.mark.parametrize("path", ["/account/team", None])
def test_admin_sees_accounts_with_keys_use_and_actions(cast, ada, api, path):
    key = cast.ci.key("deploy")
    cast.ci.key("nightly")
    api(key.secret).get("/me")
    page = ada.page(path or tab_path(cast.acme))
    assert EXPLANATION in page.text
    headings = [
        cell.text for cell in page.with_id("teams-service-accounts").all("th") if cell["scope"] == "col"
    ]
    assert headings[:4] == ["Name", "Keys", "Last used", "Created"]
    [row] = table_of(page)
    assert row[0].startswith("acme-ci") and "Edit" in row[0]
    assert row[1:4] == ["2", "Just now", "Today"]
    assert {"Create service account", "Edit acme-ci", "Delete acme-ci"} <= buttons_of(page)


@pytest.mark.parametrize(("user", "rights"), [("ben", "Edit"), ("vic", "View")])
@pytest.mark.parametrize("path", ["/account/team", None])
def test_members_below_admin_see_accounts_without_buttons(cast, client, user, rights, path):
    getattr(cast, user).sign_in(client)
    page = client.page(path or tab_path(cast.acme))
    assert f"Your rights: {rights}." in page.with_id("teams-service-accounts").text
    assert [row[0].split()[0] for row in table_of(page)] == ["acme-ci"]
    assert not {"Create service account", "Edit acme-ci", "Delete acme-ci"} & buttons_of(page)
    assert client.get(f"/account/activity?account={cast.ci.id}").status_code == 200


def test_every_account_is_on_one_of_the_pages(app, cast, ada):
    made = [factories.service_account(app, cast.acme, f"svc-{n:02}").full_name for n in range(50)]
    first = ada.page("/account/team")
    older = next(link["href"] for link in first.all("a") if link.text == "Older service accounts")
    second = ada.page(older.partition("#")[0])
    names = [row[0].split()[0] for page in (first, second) for row in table_of(page)]
    assert len(table_of(first)) == 50
    assert names == [*reversed(made), "acme-ci"]
    assert "Older service accounts" not in second.text
    gone = ada.page(f"{tab_path(cast.acme)}&accounts=c0.0")
    assert "There are no older service accounts." in gone.text
    assert ada.get(f"{tab_path(cast.acme)}&accounts=x").status_code == 422


def test_path_of_the_section_redirects_to_the_tab(cast, client):
    cast.vic.sign_in(client)
    response = client.get(section_path(cast.acme))
    assert response.headers["Location"] == f"{tab_path(cast.acme)}#teams-service-accounts"
    assert client.get(section_path(cast.globex)).status_code == 404


def test_empty_section_explains_service_accounts(cast, client):
    cast.charlie.sign_in(client)
    assert "No service accounts yet" in client.page(tab_path(cast.globex)).text


def test_account_gets_edit_rights_by_default(app, cast, ada):
    assert (
        create(ada, cast.acme, "deploy").headers["Location"]
        == f"{tab_path(cast.acme)}#teams-service-accounts"
    )
    assert "Service account deploy created." in ada.page(tab_path(cast.acme)).text
    create(ada, cast.acme, "reports", rights="view")
    rights = {row[0].split()[0]: row[0].split()[1] for row in table_of(ada.page(tab_path(cast.acme)))}
    assert rights == {"reports": "View", "deploy": "Edit", "acme-ci": "Edit"}
    assert ("service_account.created", "Ada Park", "deploy (Edit)") in rows.audit_events(app)


@pytest.mark.parametrize("rights", ["admin", "", "owner"])
def test_account_cannot_have_admin_rights(cast, ada, rights):
    for path in (f"{section_path(cast.acme)}/new", f"{account_path(cast.acme, cast.ci)}/settings"):
        response = ada.submit(ada.page(path), path.removesuffix("/new"), name="robot", rights=rights)
        assert response.status_code == 422
        assert "View or" in response.text
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
def test_bad_name_is_explained(cast, ada, name, sentence, headers):
    form = ada.page(f"{section_path(cast.acme)}/new", headers=headers and DIALOG)
    response = ada.submit(form, section_path(cast.acme), headers=headers, name=name)
    assert response.status_code == 422
    page = parse(response.text)
    assert sentence in page.with_id("name-error").text
    assert ada.submit(page, section_path(cast.acme), headers=headers, name="good").status_code in (200, 303)
    assert names_in(cast.acme) == ["acme-ci", "good"]


def test_section_is_updated_behind_the_dialog(cast, ada):
    form = ada.page(f"{section_path(cast.acme)}/new", headers=DIALOG)
    response = ada.submit(form, section_path(cast.acme), headers=PANEL, name="deploy")
    assert "Service account deploy created." in response.headers["HX-Trigger"]
    fragment = parse(response.text)
    assert fragment.with_id("teams-service-accounts")["hx-swap-oob"] == "true"
    assert [row[0].split()[0] for row in table_of(fragment)] == ["deploy", "acme-ci"]


def test_name_is_unique_within_a_team_and_free_after_deletion(app, cast, ada, client):
    path = f"{account_path(cast.acme, cast.ci)}/deletion"
    ada.submit(ada.page(path), path)
    assert create(ada, cast.acme, "acme-ci").status_code == 303
    outsider = cast.charlie.sign_in(app.test_client())
    assert create(outsider, cast.globex, "acme-ci").status_code == 303
    assert names_in(cast.acme) == names_in(cast.globex) == ["acme-ci"]


def test_name_and_rights_can_be_changed(app, cast, ada):
    path = f"{account_path(cast.acme, cast.ci)}/settings"
    form = ada.page(path)
    [name] = [item for item in form.all("input") if item["name"] == "name"]
    assert name["value"] == "acme-ci"
    assert ada.submit(form, path, name="Acme-CI", rights="view").status_code == 303
    assert table_of(ada.page(tab_path(cast.acme)))[0][0].startswith("Acme-CI View")
    events = rows.audit_events(app)
    assert ("member.rights_changed", "Ada Park", "Acme-CI (Edit → View)") in events
    assert ("service_account.changed", "Ada Park", "acme-ci → Acme-CI") in events
    assert ada.submit(ada.page(path), path).status_code == 303
    assert rows.audit_events(app) == events


@pytest.mark.parametrize("headers", [None, PANEL])
def test_deletion_is_confirmed_revokes_keys_and_keeps_the_audit_log(app, cast, ada, api, headers):
    key = cast.ci.key("deploy")
    api(key.secret).get("/me")
    path = f"{account_path(cast.acme, cast.ci)}/deletion"
    confirmation = ada.page(path, headers=headers and DIALOG)
    assert "Delete acme-ci?" in confirmation.text
    assert api(key.secret).get("/me").status_code == 200
    assert ada.submit(confirmation, path, headers=headers).status_code == (200 if headers else 303)
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")
    assert names_in(cast.acme) == []
    assert [use.status for use in rows.uses_of(app, key.id)] == [200, 200]
    events = [act for act, *_ in rows.audit_events(app)]
    assert events.count("service_account.deleted") == events.count("api_key.revoked") == 1
    page = ada.page(f"/account/activity?account={cast.ci.id}")
    assert {"Service account deleted", "API key used"} <= {
        cell.text.split(" GET")[0] for cell in page.all("th")
    }


@pytest.mark.parametrize("headers", [None, PANEL])
def test_deleting_twice_has_the_same_response(app, cast, ada, headers):
    path = f"{account_path(cast.acme, cast.ci)}/deletion"
    responses = [ada.send(path, headers=headers) for _ in range(3)]
    assert len({response.status_code for response in responses}) == 1
    assert [act for act, *_ in rows.audit_events(app)].count("service_account.deleted") == 1
    assert "was already deleted" in ada.page(path, 410, headers=headers and DIALOG).text
    assert ada.get(account_path(cast.acme, cast.ci)).status_code == 410


def test_keys_are_refused_while_their_account_is_disabled(app, cast, ada, api):
    key, path = cast.ci.key("deploy"), account_path(cast.acme, cast.ci)
    ada.submit(ada.page(path), f"{path}/status")
    problem_of(api(key.secret).get("/me"), 401, "account_disabled")
    page = ada.page(path)
    assert "acme-ci is disabled" in page.text
    assert "Disabled" in table_of(ada.page(tab_path(cast.acme)))[0][0]
    for _ in range(2):
        assert ada.send(f"{path}/status", disabled="false").status_code == 303
    assert api(key.secret).get("/me").status_code == 200
    events = [act for act, *_ in rows.audit_events(app)]
    assert events.count("service_account.disabled") == events.count("service_account.enabled") == 1
    assert ada.send(f"{path}/status", disabled="perhaps").status_code == 422


@pytest.mark.parametrize(
    ("suffix", "fields"),
    [("", {"name": "robot"}), ("/{id}/settings", {"name": "robot"}), ("/{id}/deletion", {})],
)
def test_sensitive_action_requires_a_proof_and_continues(app, cast, ada, suffix, fields):
    path = section_path(cast.acme) + suffix.format(id=cast.ci.id)
    form = ada.page(path if suffix else f"{path}/new")
    cast.ada.change_sessions(proven_at=None)
    proof_page = ada.submit(form, path, **fields)
    assert proof_page.status_code == 403
    assert names_in(cast.acme) == ["acme-ci"]
    response = ada.submit(parse(proof_page.text), path, proof_password=cast.ada.password)
    assert response.status_code == 303
    assert names_in(cast.acme) != ["acme-ci"]


def test_statements_of_the_section_do_not_grow_with_its_rows(app, cast, ada, api):
    def count_statements() -> int:
        with rows.collect_statements(app) as collected:
            assert ada.get(tab_path(cast.acme)).status_code == 200
        return collected.count

    api(cast.ci.key().secret).get("/me")
    count_statements()
    count = count_statements()
    for number in range(8):
        account = factories.service_account(app, cast.acme, f"robot {number}", Rights.VIEW)
        api(account.key().secret).get("/me")
    assert count_statements() == count


def test_names_are_text_and_not_markup(cast, ada):
    name = "<b>&\"'</b>{{ 7*7 }}"
    account = factories.service_account(cast.ada.app, cast.acme, name)
    account_url = account_path(cast.acme, account)
    for path in (account_url, f"{account_url}/settings", f"{account_url}/deletion", "/account/team"):
        response = ada.get(path)
        assert "<b>&" not in response.text
        assert name in parse(response.text).text
