"""The section Sessions of the Security tab: list sessions, end one, end all others."""

import re
from datetime import timedelta

import pytest

from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import db, now
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later

TAB = "/account/security"
OTHERS = f"{TAB}/other-sessions/end"
PART_SWAP = {"HX-Request": "true", "HX-Target": "section#auth-sessions"}
MODAL = {"HX-Request": "true", "HX-Target": "div#modal"}
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NO_OTHERS = "You are only signed in on this device."


@pytest.fixture
def ada(cast, client):
    return cast.ada.log_in(client)


@pytest.fixture
def laptop(app, cast):
    """Ada's other browser."""
    other = app.test_client()
    other.environ_base["HTTP_USER_AGENT"] = FIREFOX
    other.environ_base["REMOTE_ADDR"] = "198.51.100.7"
    return cast.ada.log_in(other)


def table_of(page) -> list[list[str]]:
    """Return the cell texts of each row of the section."""
    section = page.with_id("auth-sessions") or page
    return [[cell.text for cell in row.all("th", "td")] for row in section.all("tr")[1:]]


def session_ids(app, person) -> list[str]:
    """List the ids of a person's sessions, oldest first."""
    with app.app_context():
        query = db.select(UserSession.public_id).where(UserSession.user_id == person.number)
        return list(db.session.scalars(query.order_by(UserSession.id)))


def end_path(session_id: str) -> str:
    return f"{TAB}/sessions/{session_id}/end"


def test_only_session_is_shown_as_such(ada):
    page = ada.page(TAB)
    assert NO_OTHERS in page.text
    assert "Sign out all other sessions" not in page.text
    ((device, address, active, signed_in, action),) = table_of(page)
    assert device.endswith("This device")
    assert (address, active, signed_in, action) == ("127.0.0.1", "Just now", "Today", "")


def test_other_browsers_and_commands_are_listed(cast, ada, laptop):
    cast.ada.session()
    page = ada.page(TAB)
    own, command, browser = table_of(page)
    assert "This device" in own[0]
    assert command == ["Unknown device", "192.0.2.1", "Just now", "Today", "Sign out Unknown device"]
    assert browser == [
        "Firefox on Linux",
        "198.51.100.7",
        "Just now",
        "Today",
        "Sign out Firefox on Linux",
    ]
    assert NO_OTHERS not in page.text


def test_ended_sessions_are_not_listed(app, cast, ada, laptop):
    cast.ada.change_sessions(ended_at=now())
    cast.ada.log_in(ada)
    cast.ben.session()
    assert len(table_of(ada.page(TAB))) == 1
    for changes in ({"expires_at": now()}, {"last_active_at": now() - timedelta(days=7)}):
        cast.ada.change_sessions(**changes)
        cast.ada.log_in(ada)
        assert len(table_of(ada.page(TAB))) == 1


@pytest.mark.parametrize("headers", [{}, PART_SWAP], ids=["page", "part"])
def test_session_is_ended_at_once(app, cast, ada, laptop, headers):
    _, other = session_ids(app, cast.ada)
    response = ada.submit(ada.page(TAB), end_path(other), headers=headers)
    if headers:
        assert response.status_code == 200
        page = parse(response.text)
        assert page.with_id("auth-sessions")["data-announce"] == "Firefox on Linux was signed out."
        assert "autofocus" in page.with_id("auth-sessions-heading")
    else:
        assert (response.status_code, response.headers["Location"]) == (303, f"{TAB}#auth-sessions")
        page = ada.page(TAB)
        assert "Firefox on Linux was signed out." in page.text
    assert len(table_of(page)) == 1
    assert laptop.get("/account/profile").status_code == 303
    assert ada.get("/account/profile").status_code == 200
    assert rows.audit_events(app)[-1] == ("session.ended_elsewhere", "Ada Park", "Firefox on Linux")


def test_ending_a_session_twice_has_the_same_result(app, cast, ada, laptop):
    page = ada.page(TAB)
    _, other = session_ids(app, cast.ada)
    ada.submit(page, end_path(other))
    assert ada.submit(page, end_path(other)).status_code == 303
    assert "Firefox on Linux was already signed out." in ada.page(TAB).text
    assert [action for action, *_ in rows.audit_events(app)].count("session.ended_elsewhere") == 1


def test_session_of_the_command_can_be_ended(app, cast, ada, api):
    secret = cast.ada.session()
    ada.submit(ada.page(TAB), end_path(session_ids(app, cast.ada)[-1]))
    problem_of(api(secret).get("/me"), 401, "unknown_key")


def test_session_of_another_user_is_404(app, cast, ada, client):
    outsider = cast.charlie.session()
    for session_id in (session_ids(app, cast.charlie)[0], "ses_missing", session_ids(app, cast.ada)[0]):
        assert ada.send(end_path(session_id)).status_code == 404
        assert ada.send(end_path(session_id), headers=PART_SWAP).status_code == 404
    assert outsider
    with app.app_context():
        assert not list(db.session.scalars(db.select(UserSession).where(UserSession.ended_at.is_not(None))))


def test_other_sessions_are_ended_without_javascript(app, cast, ada, laptop, api):
    secret, outsider = cast.ada.session(), cast.charlie.session()
    confirmation = ada.submit(ada.page(TAB), OTHERS)
    page = parse(confirmation.text)
    assert laptop.get("/account/profile").status_code == 200
    response = ada.submit(page, OTHERS)
    assert (response.status_code, response.headers["Location"]) == (303, f"{TAB}#auth-sessions")
    page = ada.page(TAB)
    assert "2 other sessions were signed out." in page.text
    assert NO_OTHERS in page.text
    assert laptop.get("/account/profile").status_code == 303
    problem_of(api(secret).get("/me"), 401, "unknown_key")
    assert api(outsider).get("/me").status_code == 200
    assert rows.audit_events(app)[-2][0] == "session.created"
    assert rows.audit_events(app)[-1] == ("session.ended_elsewhere", "Ada Park", "2 sessions")


def test_other_sessions_are_ended_in_a_dialog(ada, laptop):
    dialog = ada.page(OTHERS, headers=MODAL)
    response = ada.submit(dialog, OTHERS, headers=PANEL)
    assert "1 other session was signed out." in response.headers["HX-Trigger"]
    assert len(table_of(parse(response.text))) == 1
    assert laptop.get("/account/profile").status_code == 303


def test_confirmation_page_ends_no_session(ada, laptop):
    ada.get(OTHERS)
    assert laptop.get("/account/profile").status_code == 200


def test_ending_a_session_requires_a_recent_proof(app, cast, ada, laptop):
    """OWASP ASVS 5.0, 7.5.2."""
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    _, other = session_ids(app, cast.ada)
    confirmation = ada.submit(ada.page(TAB), end_path(other), headers=PART_SWAP)
    assert (confirmation.status_code, confirmation.headers["HX-Retarget"]) == (403, "#modal")
    assert ada.send(OTHERS).status_code == 403
    assert laptop.get("/account/profile").status_code == 200
    ada.submit(parse(confirmation.text), end_path(other), proof_password=cast.ada.password)
    assert laptop.get("/account/profile").status_code == 303


def test_many_sessions_are_paginated(app, cast, ada):
    for _ in range(52):
        cast.ada.session()
    page = ada.page(TAB)
    assert len(table_of(page)) == 51
    older = next(link["href"] for link in page.all("a") if link.text == "Older").partition("#")[0]
    page = ada.page(older)
    assert len(table_of(page)) == 2
    assert "This device" not in page.with_id("auth-sessions").text
    action = next(form["action"] for form in page.all("form") if "/sessions/ses_" in form["action"])
    response = ada.submit(page, action, headers=PART_SWAP)
    assert len(table_of(parse(response.text))) == 1


def test_page_that_lost_its_sessions_leads_to_the_newest(ada, laptop):
    page = ada.page(f"{TAB}?cursor=c0.0")
    assert "There are no older sessions." in page.with_id("auth-sessions").text
    [link] = [link for link in page.all("a") if link.text == "Show the newest sessions"]
    assert len(table_of(ada.page(link["href"].partition("#")[0]))) == 2


def test_invalid_cursor_is_refused(ada):
    assert ada.get(f"{TAB}?cursor=x").status_code == 422


def test_statements_of_the_tab_do_not_grow_with_its_rows(app, cast, ada):
    def count() -> int:
        with rows.collect_statements(app) as statements:
            ada.page(TAB)
        return statements.count

    before = count()
    for _ in range(5):
        cast.ada.session()
    assert count() == before


def test_device_name_is_derived_from_the_user_agent(app, cast, ada):
    other = app.test_client()
    other.environ_base["HTTP_USER_AGENT"] = '<img src=x onerror=alert(1)> Firefox/1 "Linux"'
    cast.ada.log_in(other)
    response = ada.get(TAB)
    assert "Sign out Firefox on Linux" in response.text
    assert not re.search("onerror", response.text)
