"""A form in a page that was opened long ago saves only what its user changed in it."""

import unicodedata

import pytest

from tests.helpers import rows
from tests.helpers.html import parse
from tests.teams.service_account_actions import DIALOG, PANEL, account_path

pytestmark = pytest.mark.postgresql_later

PROFILE = "/account/profile"


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


@pytest.fixture
def settings(cast):
    """The path of the form for name and rights of the service account."""
    return f"{account_path(cast.acme, cast.ci)}/settings"


@pytest.fixture
def name_and_rights(cast, api):
    """`name_and_rights()`: those of the service account, from the API."""
    key = cast.ci.key("deploy")

    def read():
        response = api(key.secret).get("/me").json
        return response["user"]["name"], response["teams"][0]["rights"]

    return read


@pytest.mark.parametrize(("opening", "sending"), [(None, None), (DIALOG, PANEL)])
def test_rename_in_a_stale_dialog_does_not_raise_rights(ada, settings, name_and_rights, opening, sending):
    stale_page = ada.page(settings, headers=opening)
    ada.submit(ada.page(settings), settings, rights="view")
    response = ada.submit(stale_page, settings, headers=sending, name="robot")
    assert response.status_code in (200, 303)
    assert name_and_rights() == ("robot", "view")


@pytest.mark.parametrize(("opening", "sending"), [(None, None), (DIALOG, PANEL)])
def test_field_changed_by_another_admin_is_a_conflict(app, ada, settings, name_and_rights, opening, sending):
    stale_page = ada.page(settings, headers=opening)
    ada.submit(ada.page(settings), settings, name="robot")
    before = rows.audit_events(app)
    response = ada.submit(stale_page, settings, headers=sending, name="machine", rights="view")
    assert response.status_code == 409
    page = parse(response.text)
    assert "“Name” was changed in the meantime. Reload the page, check it and try again." in page.text
    assert "This page is out of date" in page.text
    assert ("Reload the page" in [button.text for button in page.all("button")]) == bool(sending)
    assert rows.audit_events(app) == before
    assert name_and_rights() == ("robot", "edit")


def test_same_change_in_two_tabs_is_accepted(ada, settings, name_and_rights):
    stale_page = ada.page(settings)
    for page in (ada.page(settings), stale_page):
        assert ada.submit(page, settings, name="robot", rights="view").status_code == 303
    assert name_and_rights() == ("robot", "view")


def test_stale_form_stays_stale_after_an_error(ada, settings, name_and_rights):
    stale_page = ada.page(settings)
    ada.submit(ada.page(settings), settings, rights="view")
    response = ada.submit(stale_page, settings, name=" ")
    assert response.status_code == 422
    assert ada.submit(parse(response.text), settings, name="robot").status_code == 303
    assert name_and_rights() == ("robot", "view")


def test_stale_profile_saves_only_its_own_changes(app, cast, ada):
    cast.ada.change(mails_unused=False)
    stale_page = ada.page(PROFILE)
    cast.ada.change(time_zone="Asia/Tokyo", appearance="dark", email="ada@new.example")
    cast.ada.change(mails_ends=False, mails_unused=True)
    assert ada.submit(stale_page, PROFILE, full_name="Ada P. Park").status_code == 303
    with app.app_context():
        row = cast.ada.row()
        assert (row.full_name, row.time_zone, row.appearance) == ("Ada P. Park", "Asia/Tokyo", "dark")
        assert (row.mails_ends, row.mails_unused) == (False, True)
    page = ada.page(PROFILE)
    assert "We sent a link" not in page.text
    assert "email.change_asked" not in {act[0] for act in rows.audit_events(app)}


def test_mail_turned_off_in_a_stale_profile_is_off(app, cast, ada):
    stale_page = ada.page(PROFILE)
    cast.ada.change(mails_ends=False)
    del stale_page.with_id("mails").all("input")[0].attributes["checked"]
    assert ada.submit(stale_page, PROFILE).status_code == 303
    with app.app_context():
        row = cast.ada.row()
        assert (row.mails_new_clients, row.mails_ends, row.mails_unused) == (False, False, True)


@pytest.mark.parametrize("name", ["Ada  P. Park ", "  Ada Park", "Ade\u0301 Park"])
def test_form_sent_twice_is_accepted(app, cast, ada, name):
    page = ada.page(PROFILE)
    assert [ada.submit(page, PROFILE, full_name=name).status_code for _ in range(2)] == [303, 303]
    with app.app_context():
        assert cast.ada.row().full_name == " ".join(unicodedata.normalize("NFC", name).split())


def test_different_time_zones_in_two_tabs_are_a_conflict(app, cast, ada):
    stale_page = ada.page(PROFILE)
    cast.ada.change(time_zone="Asia/Tokyo")
    response = ada.submit(stale_page, PROFILE, full_name="Ada P. Park", time_zone="Europe/Berlin")
    assert response.status_code == 409
    assert "“Time zone” was changed in the meantime." in response.text
    with app.app_context():
        assert (cast.ada.row().full_name, cast.ada.row().time_zone) == ("Ada Park", "Asia/Tokyo")
