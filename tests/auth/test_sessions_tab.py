"""The section Sessions of the Security tab: see where one is signed in, end one, end all others."""

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
PART = {"HX-Request": "true", "HX-Target": "section#auth-sessions"}
MODAL = {"HX-Request": "true", "HX-Target": "div#modal"}
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NONE = "You are only signed in on this device."


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


@pytest.fixture
def laptop(app, cast):
    """Ada's other browser."""
    other = app.test_client()
    other.environ_base["HTTP_USER_AGENT"] = FIREFOX
    other.environ_base["REMOTE_ADDR"] = "198.51.100.7"
    return cast.ada.sign_in(other)


def table(page) -> list[list[str]]:
    """Return the words of each row of the section."""
    section = page.with_id("auth-sessions") or page
    return [[cell.text for cell in row.all("th", "td")] for row in section.all("tr")[1:]]


def ids(app, person) -> list[str]:
    """List the ids of a person's sessions, oldest first."""
    with app.app_context():
        query = db.select(UserSession.public_id).where(UserSession.user_id == person.number)
        return list(db.session.scalars(query.order_by(UserSession.id)))


def end(session_id: str) -> str:
    return f"{TAB}/sessions/{session_id}/end"


def test_who_is_signed_in_once_reads_so(ada):
    page = ada.page(TAB)
    assert NONE in page.text
    assert "Sign out all other sessions" not in page.text
    ((device, address, active, signed_in, action),) = table(page)
    assert device.endswith("This device")
    assert (address, active, signed_in, action) == ("127.0.0.1", "Just now", "Today", "")


def test_others_are_listed_browsers_and_commands_alike(cast, ada, laptop):
    cast.ada.session()
    page = ada.page(TAB)
    this, command, browser = table(page)
    assert "This device" in this[0]
    assert command == ["Unknown device", "192.0.2.1", "Just now", "Today", "Sign out Unknown device"]
    assert browser == [
        "Firefox on Linux",
        "198.51.100.7",
        "Just now",
        "Today",
        "Sign out Firefox on Linux",
    ]
    assert NONE not in page.text


def test_sessions_that_are_over_are_not_listed(app, cast, ada, laptop):
    cast.ada.change_sessions(ended_at=now())
    cast.ada.sign_in(ada)
    cast.ben.session()
    assert len(table(ada.page(TAB))) == 1
    for gone in ({"expires_at": now()}, {"last_active_at": now() - timedelta(days=7)}):
        cast.ada.change_sessions(**gone)
        cast.ada.sign_in(ada)
        assert len(table(ada.page(TAB))) == 1


@pytest.mark.parametrize("headers", [{}, PART], ids=["page", "part"])
def test_one_is_ended_at_once(app, cast, ada, laptop, headers):
    _, other = ids(app, cast.ada)
    answer = ada.submit(ada.page(TAB), end(other), headers=headers)
    if headers:
        assert answer.status_code == 200
        part = parse(answer.text)
        assert part.with_id("auth-sessions")["data-announce"] == "Firefox on Linux was signed out."
        assert "autofocus" in part.with_id("auth-sessions-heading")
    else:
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{TAB}#auth-sessions")
        part = ada.page(TAB)
        assert "Firefox on Linux was signed out." in part.text
    assert len(table(part)) == 1
    assert laptop.get("/account/profile").status_code == 303
    assert ada.get("/account/profile").status_code == 200
    assert rows.acts(app)[-1] == ("session.ended_elsewhere", "Ada Park", "Firefox on Linux")


def test_ending_one_twice_has_the_same_end(app, cast, ada, laptop):
    page = ada.page(TAB)
    _, other = ids(app, cast.ada)
    ada.submit(page, end(other))
    assert ada.submit(page, end(other)).status_code == 303
    assert "Firefox on Linux was already signed out." in ada.page(TAB).text
    assert [action for action, *_ in rows.acts(app)].count("session.ended_elsewhere") == 1


def test_session_of_the_command_is_ended_too(app, cast, ada, api):
    secret = cast.ada.session()
    ada.submit(ada.page(TAB), end(ids(app, cast.ada)[-1]))
    problem_of(api(secret).get("/me"), 401, "unknown_key")


def test_strangers_session_is_not_there(app, cast, ada, client):
    stranger = cast.charlie.session()
    for session_id in (ids(app, cast.charlie)[0], "ses_missing", ids(app, cast.ada)[0]):
        assert ada.send(end(session_id)).status_code == 404
        assert ada.send(end(session_id), headers=PART).status_code == 404
    assert stranger
    with app.app_context():
        assert not list(db.session.scalars(db.select(UserSession).where(UserSession.ended_at.is_not(None))))


def test_all_others_are_ended_without_a_script(app, cast, ada, laptop, api):
    secret, stranger = cast.ada.session(), cast.charlie.session()
    asked = ada.submit(ada.page(TAB), OTHERS)
    page = parse(asked.text)
    assert laptop.get("/account/profile").status_code == 200
    answer = ada.submit(page, OTHERS)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{TAB}#auth-sessions")
    page = ada.page(TAB)
    assert "2 other sessions were signed out." in page.text
    assert NONE in page.text
    assert laptop.get("/account/profile").status_code == 303
    problem_of(api(secret).get("/me"), 401, "unknown_key")
    assert api(stranger).get("/me").status_code == 200
    assert rows.acts(app)[-2][0] == "session.created"
    assert rows.acts(app)[-1] == ("session.ended_elsewhere", "Ada Park", "2 sessions")


def test_all_others_are_ended_in_a_dialog(ada, laptop):
    dialog = ada.page(OTHERS, headers=MODAL)
    answer = ada.submit(dialog, OTHERS, headers=PANEL)
    assert "1 other session was signed out." in answer.headers["HX-Trigger"]
    assert len(table(parse(answer.text))) == 1
    assert laptop.get("/account/profile").status_code == 303


def test_asking_ends_nothing(ada, laptop):
    ada.get(OTHERS)
    assert laptop.get("/account/profile").status_code == 200


def test_ending_needs_a_recent_proof(app, cast, ada, laptop):
    """OWASP ASVS 5.0, 7.5.2."""
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    _, other = ids(app, cast.ada)
    asked = ada.submit(ada.page(TAB), end(other), headers=PART)
    assert (asked.status_code, asked.headers["HX-Retarget"]) == (403, "#modal")
    assert ada.send(OTHERS).status_code == 403
    assert laptop.get("/account/profile").status_code == 200
    ada.submit(parse(asked.text), end(other), proof_password=cast.ada.password)
    assert laptop.get("/account/profile").status_code == 303


def test_many_sessions_come_in_pages(app, cast, ada):
    for _ in range(52):
        cast.ada.session()
    page = ada.page(TAB)
    assert len(table(page)) == 51
    older = next(link["href"] for link in page.all("a") if link.text == "Older").partition("#")[0]
    page = ada.page(older)
    assert len(table(page)) == 2
    assert "This device" not in page.with_id("auth-sessions").text
    action = next(form["action"] for form in page.all("form") if "/sessions/ses_" in form["action"])
    answer = ada.submit(page, action, headers=PART)
    assert len(table(parse(answer.text))) == 1


def test_cursor_that_no_page_gave_is_refused(ada):
    assert ada.get(f"{TAB}?cursor=x").status_code == 422


def test_statements_of_the_tab_do_not_grow_with_its_rows(app, cast, ada):
    def count() -> int:
        with rows.watching(app) as statements:
            ada.page(TAB)
        return statements.count

    few = count()
    for _ in range(5):
        cast.ada.session()
    assert count() == few


def test_device_is_told_in_our_own_words(app, cast, ada):
    other = app.test_client()
    other.environ_base["HTTP_USER_AGENT"] = '<img src=x onerror=alert(1)> Firefox/1 "Linux"'
    cast.ada.sign_in(other)
    answer = ada.get(TAB)
    assert "Sign out Firefox on Linux" in answer.text
    assert not re.search("onerror", answer.text)
