"""The Profile tab: name, appearance and time zone."""

from datetime import UTC, datetime

import pytest
import time_machine

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def test_user_changes_name_and_appearance(ada):
    response = ada.submit(
        ada.page("/account/profile"), "/account/profile", full_name="Ada P. Park", appearance="dark"
    )
    assert (response.status_code, response.headers["Location"]) == (303, "/account/profile")
    page = ada.page("/account/profile")
    assert "Ada P. Park" in page.all("header")[0].text
    assert page.all("html")[0]["data-theme"] == "dark"


@pytest.mark.parametrize("name", ["", " ", "x" * 121, "a\u202eb", "a\nb"])
def test_invalid_name_is_explained(ada, name):
    response = ada.send("/account/profile", full_name=name, appearance="light")
    assert response.status_code == 422
    assert "Error: " in response.text
    assert "Ada Park" in ada.page("/account/profile").all("header")[0].text


def test_invalid_appearance_is_refused(ada):
    assert ada.send("/account/profile", full_name="Ada Park", appearance="red").status_code == 422


def test_name_is_escaped(ada):
    ada.send("/account/profile", full_name='<script>alert(1)</script>"', appearance="light")
    response = ada.get("/account/profile")
    assert "<script>alert" not in response.text
    assert "&lt;script&gt;alert(1)" in response.text


def test_account_redirects_to_its_first_tab(ada):
    response = ada.get("/account", follow_redirects=True)
    assert (response.status_code, response.request.path) == (200, "/account/profile")


def test_dates_are_in_the_chosen_time_zone(cast, ada):
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
            assert creation_time(ada).text == day
            assert creation_time(ada)["datetime"] == "2026-03-01T23:30:00Z"
    with time_machine.travel(datetime(2026, 3, 5, 12, tzinfo=UTC), tick=False):
        cast.ada.change(time_zone="Asia/Tokyo")
        assert creation_time(ada).text == "2 Mar 2026"


def creation_time(ada):
    return ada.page("/account/api-keys").all("time")[-1]


def test_chosen_time_zone_is_selected(ada):
    ada.submit(ada.page("/account/profile"), "/account/profile", time_zone="Europe/Berlin")
    options = ada.page("/account/profile").with_id("time_zone").all("option")
    assert [option["value"] for option in options if "selected" in option] == ["Europe/Berlin"]
    assert options[0]["value"] == "UTC"
    assert len(options) > 300


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "Etc/GMT+3", "Europe"])
def test_invalid_time_zone_is_refused(ada, zone):
    response = ada.send("/account/profile", time_zone=zone)
    assert response.status_code == 422
    assert "Choose one of the time zones" in response.text
    assert "Error: Profile" in response.text


def test_missing_fields_are_unchanged(app, cast, ada):
    cast.ada.change(appearance="dark", time_zone="Asia/Tokyo")
    ada.send("/account/profile", full_name="Ada P. Park")
    with app.app_context():
        row = cast.ada.row()
        assert (row.full_name, row.appearance, row.time_zone) == ("Ada P. Park", "dark", "Asia/Tokyo")
        assert row.email == "ada@acme.example"
