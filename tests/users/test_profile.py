"""The Profile tab: name, appearance and time zone."""

from datetime import UTC, datetime

import pytest
import time_machine

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def test_ada_changes_her_name_and_sees_it_at_the_top(ada):
    answer = ada.submit(
        ada.page("/account/profile"), "/account/profile", full_name="Ada P. Park", appearance="dark"
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/profile")
    page = ada.page("/account/profile")
    assert "Ada P. Park" in page.all("header")[0].text
    assert page.all("html")[0]["data-theme"] == "dark"


@pytest.mark.parametrize("name", ["", " ", "x" * 121, "a\u202eb", "a\nb"])
def test_name_that_cannot_be_is_refused_with_a_sentence(ada, name):
    answer = ada.send("/account/profile", full_name=name, appearance="light")
    assert answer.status_code == 422
    assert "Error: " in answer.text
    assert "Ada Park" in ada.page("/account/profile").all("header")[0].text


def test_appearance_that_is_none_is_refused(ada):
    assert ada.send("/account/profile", full_name="Ada Park", appearance="red").status_code == 422


def test_name_is_text_and_not_markup(ada):
    ada.send("/account/profile", full_name='<script>alert(1)</script>"', appearance="light")
    answer = ada.get("/account/profile")
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


def test_account_leads_to_its_first_tab(ada):
    answer = ada.get("/account", follow_redirects=True)
    assert (answer.status_code, answer.request.path) == (200, "/account/profile")


def test_dates_are_written_in_the_time_zone_that_was_chosen(cast, ada):
    """23:30 UTC is the next day in Tokyo; exact times stay in UTC."""
    with time_machine.travel(datetime(2026, 3, 1, 23, 30, tzinfo=UTC), tick=False):
        cast.ada.key("CI")
    with time_machine.travel(datetime(2026, 3, 2, 12, tzinfo=UTC), tick=False):
        cast.ada.sign_in(ada)
        for zone, day in {
            "UTC": "1 Mar 2026",
            "Asia/Tokyo": "Today",
            "America/New_York": "1 Mar 2026",
        }.items():
            ada.submit(ada.page("/account/profile"), "/account/profile", time_zone=zone)
            assert created(ada).text == day
            assert created(ada)["datetime"] == "2026-03-01T23:30:00Z"
    with time_machine.travel(datetime(2026, 3, 5, 12, tzinfo=UTC), tick=False):
        cast.ada.change(time_zone="Asia/Tokyo")
        assert created(ada).text == "2 Mar 2026"


def created(ada):
    return ada.page("/account/api-keys").all("time")[-1]


def test_zone_that_was_chosen_is_selected(ada):
    ada.submit(ada.page("/account/profile"), "/account/profile", time_zone="Europe/Berlin")
    options = ada.page("/account/profile").with_id("time_zone").all("option")
    assert [option["value"] for option in options if "selected" in option] == ["Europe/Berlin"]
    assert options[0]["value"] == "UTC"
    assert len(options) > 300


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "Etc/GMT+3", "Europe"])
def test_zone_that_is_none_is_refused(ada, zone):
    answer = ada.send("/account/profile", time_zone=zone)
    assert answer.status_code == 422
    assert "Choose one of the time zones" in answer.text
    assert "Error: Profile" in answer.text


def test_what_the_form_leaves_out_stays_as_it_was(app, cast, ada):
    cast.ada.change(appearance="dark", time_zone="Asia/Tokyo")
    ada.send("/account/profile", full_name="Ada P. Park")
    with app.app_context():
        row = cast.ada.row()
        assert (row.full_name, row.appearance, row.time_zone) == ("Ada P. Park", "dark", "Asia/Tokyo")
        assert row.email == "ada@acme.example"
