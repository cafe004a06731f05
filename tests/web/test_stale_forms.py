"""A form in a page that was opened long ago saves only what its user changed in it."""

import unicodedata

import pytest

from tests.helpers import rows
from tests.helpers.html import parse
from tests.teams.service_account_acts import DIALOG, PANEL, page_of

pytestmark = pytest.mark.postgresql_later

PROFILE = "/account/profile"


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


@pytest.fixture
def settings(cast):
    """The address of the form for name and rights of the service account."""
    return f"{page_of(cast.acme, cast.ci)}/settings"


@pytest.fixture
def me(cast, api):
    """What the API says about the service account: name and rights."""
    key = cast.ci.key("deploy")

    def show():
        answer = api(key.secret).get("/me").json
        return answer["user"]["name"], answer["teams"][0]["rights"]

    return show


@pytest.mark.parametrize(("opening", "sending"), [(None, None), (DIALOG, PANEL)])
def test_rename_in_a_stale_dialog_does_not_raise_rights(ada, settings, me, opening, sending):
    stale = ada.page(settings, headers=opening)
    ada.submit(ada.page(settings), settings, rights="view")
    answer = ada.submit(stale, settings, headers=sending, name="robot")
    assert answer.status_code in (200, 303)
    assert me() == ("robot", "view")


@pytest.mark.parametrize(("opening", "sending"), [(None, None), (DIALOG, PANEL)])
def test_field_that_another_admin_changed_meanwhile_is_a_conflict(app, ada, settings, me, opening, sending):
    stale = ada.page(settings, headers=opening)
    ada.submit(ada.page(settings), settings, name="robot")
    before = rows.acts(app)
    answer = ada.submit(stale, settings, headers=sending, name="machine", rights="view")
    assert answer.status_code == 409
    page = parse(answer.text)
    assert "“Name” was changed in the meantime. Reload the page, check it and try again." in page.text
    assert "This page is out of date" in page.text
    assert ("Reload the page" in [button.text for button in page.all("button")]) == bool(sending)
    assert rows.acts(app) == before
    assert me() == ("robot", "edit")


def test_same_change_in_two_tabs_is_no_conflict(ada, settings, me):
    stale = ada.page(settings)
    for page in (ada.page(settings), stale):
        assert ada.submit(page, settings, name="robot", rights="view").status_code == 303
    assert me() == ("robot", "view")


def test_stale_form_stays_stale_after_an_error(ada, settings, me):
    stale = ada.page(settings)
    ada.submit(ada.page(settings), settings, rights="view")
    answer = ada.submit(stale, settings, name=" ")
    assert answer.status_code == 422
    assert ada.submit(parse(answer.text), settings, name="robot").status_code == 303
    assert me() == ("robot", "view")


def test_stale_profile_changes_only_what_was_changed_in_it(app, cast, ada):
    cast.ada.change(mails_unused=False)
    stale = ada.page(PROFILE)
    cast.ada.change(time_zone="Asia/Tokyo", appearance="dark", email="ada@new.example")
    cast.ada.change(mails_ends=False, mails_unused=True)
    assert ada.submit(stale, PROFILE, full_name="Ada P. Park").status_code == 303
    with app.app_context():
        row = cast.ada.row()
        assert (row.full_name, row.time_zone, row.appearance) == ("Ada P. Park", "Asia/Tokyo", "dark")
        assert (row.mails_ends, row.mails_unused) == (False, True)
    page = ada.page(PROFILE)
    assert "We sent a link" not in page.text
    assert "email.change_asked" not in {act[0] for act in rows.acts(app)}


def test_mail_that_is_switched_off_in_a_stale_profile_is_off(app, cast, ada):
    stale = ada.page(PROFILE)
    cast.ada.change(mails_ends=False)
    del stale.with_id("mails").all("input")[0].attributes["checked"]
    assert ada.submit(stale, PROFILE).status_code == 303
    with app.app_context():
        row = cast.ada.row()
        assert (row.mails_new_clients, row.mails_ends, row.mails_unused) == (False, False, True)


@pytest.mark.parametrize("name", ["Ada  P. Park ", "  Ada Park", "Ade\u0301 Park"])
def test_form_that_is_sent_twice_is_no_conflict(app, cast, ada, name):
    page = ada.page(PROFILE)
    assert [ada.submit(page, PROFILE, full_name=name).status_code for _ in range(2)] == [303, 303]
    with app.app_context():
        assert cast.ada.row().full_name == " ".join(unicodedata.normalize("NFC", name).split())


def test_two_new_time_zones_in_two_tabs_are_a_conflict(app, cast, ada):
    stale = ada.page(PROFILE)
    cast.ada.change(time_zone="Asia/Tokyo")
    answer = ada.submit(stale, PROFILE, full_name="Ada P. Park", time_zone="Europe/Berlin")
    assert answer.status_code == 409
    assert "“Time zone” was changed in the meantime." in answer.text
    with app.app_context():
        assert (cast.ada.row().full_name, cast.ada.row().time_zone) == ("Ada Park", "Asia/Tokyo")
