"""`/device/code` and `/device/token`: what a terminal asks for and polls with (RFC 8628)."""

from datetime import timedelta

import pytest

from reflow_accounts.auth.device_flow import prune_device_logins
from reflow_accounts.auth.models import DeviceLogin, UserSession
from reflow_accounts.contract import API_PREFIX, is_well_formed
from reflow_accounts.database import db, now
from tests.auth.devices import GRANT, ask, poll, refusal_of, type_code
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.at_once import at_once

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def terminal(clock, api):
    """A login that a terminal has asked for."""
    return ask(api())


@pytest.fixture
def ada(clock, cast, client):
    """Ada's browser."""
    return cast.ada.sign_in(client)


def test_terminal_gets_two_codes_and_the_address_to_type_one_at(api):
    answer = api().post("/device/code", {"client_id": "reflow", "host": "laptop"})

    codes = answer.json
    assert answer.status_code == 200
    assert set(codes) == {"device_code", "user_code", "verification_uri", "expires_in", "interval"}
    assert codes["verification_uri"] == "http://localhost/device"
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    letters = codes["user_code"].replace("-", "")
    assert len(codes["user_code"]) == 9
    assert set(letters) <= set("BCDFGHJKLMNPQRSTVWXZ")
    assert len(codes["device_code"]) >= 43


@pytest.mark.parametrize(
    "sent",
    [
        {"json": {"client_id": "reflow", "unheard_of": 1}},
        {"data": {"client_id": "reflow", "scope": "all", "unheard_of": "1"}},
        {},
    ],
    ids=["JSON", "a form", "nothing"],
)
def test_request_may_come_as_a_form_as_json_or_empty(api, sent):
    assert api().send("POST", "/device/code", **sent).status_code == 200


def test_neither_code_is_kept(app, api):
    codes = ask(api())
    with app.app_context():
        [row] = db.session.scalars(db.select(DeviceLogin))
        kept = " ".join(str(value) for value in vars(row).values())
    assert codes["device_code"] not in kept
    assert codes["user_code"].replace("-", "") not in kept


def test_approved_login_gives_one_session_once(app, api, ada, cast, terminal):
    assert refusal_of(poll(api(), terminal)) == "authorization_pending"
    ada.submit(type_code(ada, terminal), f"{ada.shown}/approval")

    answer = poll(api(), terminal)
    token = answer.json
    assert answer.status_code == 200
    assert is_well_formed(token["access_token"])
    assert token["token_type"] == "Bearer"
    assert abs(token["expires_in"] - 30 * 24 * 3600) < 5
    assert set(token["session"]) == {"id", "created_at", "expires_at", "user"}
    assert token["session"]["user"]["id"] == cast.ada.id

    me = api(token["access_token"]).get("/me").json
    assert me["authenticated_by"] == {
        "type": "session",
        "id": token["session"]["id"],
        "name": None,
        "hint": None,
    }
    assert refusal_of(poll(api(), terminal)) == "invalid_grant"
    assert refusal_of(poll(api(), terminal)) == "invalid_grant"
    assert rows.count(app, UserSession) == 2  # the browser's and the command's


def test_denied_login_gives_none(app, api, ada, terminal):
    ada.submit(type_code(ada, terminal), f"{ada.shown}/denial")

    assert refusal_of(poll(api(), terminal)) == "access_denied"
    assert refusal_of(poll(api(), terminal)) == "access_denied"
    assert rows.count(app, UserSession) == 1


def test_login_that_nobody_decides_on_expires(api, ada, clock, terminal):
    page = type_code(ada, terminal)
    clock.shift(timedelta(minutes=10, seconds=1))

    assert refusal_of(poll(api(), terminal)) == "expired_token"
    assert ada.submit(page, f"{ada.shown}/approval").status_code == 409
    assert refusal_of(poll(api(), terminal)) == "expired_token"


def test_approval_that_is_not_fetched_in_time_is_worth_nothing(api, ada, clock, terminal):
    ada.submit(type_code(ada, terminal), f"{ada.shown}/approval")
    clock.shift(timedelta(minutes=10, seconds=1))
    assert refusal_of(poll(api(), terminal)) == "expired_token"


def test_who_polls_too_often_is_slowed_down_for_good(api, clock, terminal):
    assert refusal_of(poll(api(), terminal)) == "authorization_pending"
    clock.shift(timedelta(seconds=2))
    assert refusal_of(poll(api(), terminal)) == "slow_down"
    clock.shift(timedelta(seconds=6))
    assert refusal_of(poll(api(), terminal)) == "slow_down"
    clock.shift(timedelta(seconds=15))
    assert refusal_of(poll(api(), terminal)) == "authorization_pending"


def test_who_keeps_to_the_interval_is_never_slowed_down(api, clock, terminal):
    for _ in range(20):
        assert refusal_of(poll(api(), terminal)) == "authorization_pending"
        clock.shift(timedelta(seconds=5))


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"grant_type": GRANT, "device_code": "unknown"}, "invalid_grant"),
        ({"grant_type": GRANT, "device_code": "x" * 5000}, "invalid_grant"),
        ({"grant_type": "password", "device_code": "x"}, "unsupported_grant_type"),
        ({"grant_type": GRANT}, "invalid_request"),
        ({"device_code": "x"}, "invalid_request"),
        ({}, "invalid_request"),
    ],
)
@pytest.mark.parametrize("kind", ["json", "data"])
def test_poll_that_cannot_be_is_refused_in_the_words_of_oauth(api, sent, error, kind):
    assert refusal_of(api().send("POST", "/device/token", **{kind: sent})) == error


@pytest.mark.parametrize("value", [5, [], {}, "\0"])
def test_device_code_that_cannot_be_is_named(api, value):
    answer = api().post("/device/token", {"grant_type": GRANT, "device_code": value})
    problem = problem_of(answer, 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["device_code"]


def test_field_that_is_sent_twice_is_refused(api):
    answer = api().send(
        "POST",
        "/device/token",
        data="device_code=a&device_code=b",
        content_type="application/x-www-form-urlencoded",
    )
    problem_of(answer, 422, "validation_failed")


def test_name_of_the_machine_is_one_short_line(api, ada):
    terminal = ask(api(), host="lap\x1b[31mtop\u202e\n<b>" + "x" * 200)
    page = type_code(ada, terminal)
    shown = page.all("bdi")[0].text
    assert shown.startswith("lap[31mtop<b>xxx")
    assert len(shown) == 64


def test_device_code_that_was_used_opens_nothing_else(api, terminal):
    problem_of(api(terminal["device_code"]).get("/me"), 401, "malformed_key")


def test_login_is_void_when_its_person_is_disabled(api, ada, cast, terminal):
    ada.submit(type_code(ada, terminal), f"{ada.shown}/approval")
    cast.ada.change(disabled_at=now())
    assert refusal_of(poll(api(), terminal)) == "expired_token"


def test_login_is_void_when_the_person_changes_the_password(api, ada, cast, terminal):
    ada.submit(type_code(ada, terminal), f"{ada.shown}/approval")
    answer = ada.send(
        "/account/security/password",
        current_password=cast.ada.password,
        new_password=f"{cast.ada.password} anew",
    )
    assert answer.status_code == 303, answer.text
    assert refusal_of(poll(api(), terminal)) == "expired_token"


def test_login_is_void_when_all_other_sessions_are_ended(api, ada, terminal):
    ada.submit(type_code(ada, terminal), f"{ada.shown}/approval")
    assert ada.send("/account/security/other-sessions/end").status_code == 303
    assert refusal_of(poll(api(), terminal)) == "expired_token"


def test_of_many_polls_at_once_one_gets_the_session(app, api, ada, terminal):
    ada.submit(type_code(ada, terminal), f"{ada.shown}/approval")

    answers = at_once([lambda: poll(api(), terminal)] * 6)

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400, 400]
    assert rows.count(app, UserSession) == 2


def test_one_address_cannot_fill_the_table(api):
    answers = [api().post("/device/code", {}) for _ in range(31)]
    assert [answer.status_code for answer in answers[:30]] == [200] * 30
    problem_of(answers[30], 429, "rate_limited")
    assert int(answers[30].headers["Retry-After"]) > 0


def test_no_code_reaches_the_log(api, ada, caplog, terminal):
    caplog.set_level("DEBUG")
    poll(api(), terminal)
    ada.submit(type_code(ada, terminal), f"{ada.shown}/approval")
    poll(api(), terminal)
    for code in (terminal["device_code"], terminal["user_code"], terminal["user_code"].replace("-", "")):
        assert code not in caplog.text


def test_logins_of_yesterday_are_removed(app, api, clock, terminal):
    clock.shift(timedelta(days=1, minutes=11))
    ask(api())
    with app.app_context():
        assert prune_device_logins() == 1


def test_document_says_how_it_is_sent(app):
    paths = app.test_client().get(f"{API_PREFIX}/openapi.json").json["paths"]
    for path in ("/device/code", "/device/token"):
        operation = paths[API_PREFIX + path]["post"]
        assert list(operation["requestBody"]["content"]) == ["application/x-www-form-urlencoded"]
        assert operation["security"] == []
