"""`/device/code` and `/device/token`: a terminal gets codes and polls for a token (RFC 8628)."""

from datetime import timedelta

import pytest

from reflow_accounts.auth.device_flow import prune_device_logins
from reflow_accounts.auth.models import DeviceLogin, UserSession
from reflow_accounts.contract import API_PREFIX, is_well_formed
from reflow_accounts.database import db, now
from tests.auth.devices import GRANT, enter_code, oauth_error, poll_token, request_codes
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.at_once import at_once

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def codes(clock, api):
    """The codes of a device login."""
    return request_codes(api())


@pytest.fixture
def ada(clock, cast, client):
    """Ada's browser."""
    return cast.ada.sign_in(client)


def test_response_has_both_codes_and_the_page_for_the_user_code(api):
    response = api().post("/device/code", {"client_id": "reflow", "host": "laptop"})

    codes = response.json
    assert response.status_code == 200
    assert set(codes) == {"device_code", "user_code", "verification_uri", "expires_in", "interval"}
    assert codes["verification_uri"] == "http://localhost/device"
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    letters = codes["user_code"].replace("-", "")
    assert len(codes["user_code"]) == 9
    assert set(letters) <= set("BCDFGHJKLMNPQRSTVWXZ")
    assert len(codes["device_code"]) >= 43


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"client_id": "reflow", "unheard_of": 1}},
        {"data": {"client_id": "reflow", "scope": "all", "unheard_of": "1"}},
        {},
    ],
    ids=["JSON", "a form", "nothing"],
)
def test_request_can_be_a_form_json_or_empty(api, body):
    assert api().send("POST", "/device/code", **body).status_code == 200


def test_codes_are_not_stored(app, api):
    codes = request_codes(api())
    with app.app_context():
        [row] = db.session.scalars(db.select(DeviceLogin))
        stored = " ".join(str(value) for value in vars(row).values())
    assert codes["device_code"] not in stored
    assert codes["user_code"].replace("-", "") not in stored


def test_approved_login_gives_one_session_once(app, api, ada, cast, codes):
    assert oauth_error(poll_token(api(), codes)) == "authorization_pending"
    ada.submit(enter_code(ada, codes), f"{ada.login_path}/approval")

    response = poll_token(api(), codes)
    token = response.json
    assert response.status_code == 200
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
    assert oauth_error(poll_token(api(), codes)) == "invalid_grant"
    assert oauth_error(poll_token(api(), codes)) == "invalid_grant"
    assert rows.count(app, UserSession) == 2  # the browser's and the command's


def test_denied_login_gives_no_session(app, api, ada, codes):
    ada.submit(enter_code(ada, codes), f"{ada.login_path}/denial")

    assert oauth_error(poll_token(api(), codes)) == "access_denied"
    assert oauth_error(poll_token(api(), codes)) == "access_denied"
    assert rows.count(app, UserSession) == 1


def test_undecided_login_expires(api, ada, clock, codes):
    page = enter_code(ada, codes)
    clock.shift(timedelta(minutes=10, seconds=1))

    assert oauth_error(poll_token(api(), codes)) == "expired_token"
    assert ada.submit(page, f"{ada.login_path}/approval").status_code == 409
    assert oauth_error(poll_token(api(), codes)) == "expired_token"


def test_approval_expires_when_it_is_not_fetched(api, ada, clock, codes):
    ada.submit(enter_code(ada, codes), f"{ada.login_path}/approval")
    clock.shift(timedelta(minutes=10, seconds=1))
    assert oauth_error(poll_token(api(), codes)) == "expired_token"


def test_polling_too_often_is_slowed_down(api, clock, codes):
    assert oauth_error(poll_token(api(), codes)) == "authorization_pending"
    clock.shift(timedelta(seconds=2))
    assert oauth_error(poll_token(api(), codes)) == "slow_down"
    clock.shift(timedelta(seconds=6))
    assert oauth_error(poll_token(api(), codes)) == "slow_down"
    clock.shift(timedelta(seconds=15))
    assert oauth_error(poll_token(api(), codes)) == "authorization_pending"


def test_polling_at_the_interval_is_not_slowed_down(api, clock, codes):
    for _ in range(20):
        assert oauth_error(poll_token(api(), codes)) == "authorization_pending"
        clock.shift(timedelta(seconds=5))


@pytest.mark.parametrize(
    ("body", "error"),
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
def test_invalid_poll_is_refused_with_an_oauth_error(api, body, error, kind):
    assert oauth_error(api().send("POST", "/device/token", **{kind: body})) == error


@pytest.mark.parametrize("value", [5, [], {}, "\0"])
def test_invalid_device_code_is_refused_at_its_field(api, value):
    response = api().post("/device/token", {"grant_type": GRANT, "device_code": value})
    problem = problem_of(response, 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["device_code"]


def test_repeated_field_is_refused(api):
    response = api().send(
        "POST",
        "/device/token",
        data="device_code=a&device_code=b",
        content_type="application/x-www-form-urlencoded",
    )
    problem_of(response, 422, "validation_failed")


def test_host_name_is_shortened_and_cleaned(api, ada):
    codes = request_codes(api(), host="lap\x1b[31mtop\u202e\n<b>" + "x" * 200)
    page = enter_code(ada, codes)
    shown = page.all("bdi")[0].text
    assert shown.startswith("lap[31mtop<b>xxx")
    assert len(shown) == 64


def test_device_code_is_no_credential(api, codes):
    problem_of(api(codes["device_code"]).get("/me"), 401, "malformed_key")


def test_login_is_void_when_the_user_is_disabled(api, ada, cast, codes):
    ada.submit(enter_code(ada, codes), f"{ada.login_path}/approval")
    cast.ada.change(disabled_at=now())
    assert oauth_error(poll_token(api(), codes)) == "expired_token"


def test_login_is_void_when_the_password_is_changed(api, ada, cast, codes):
    ada.submit(enter_code(ada, codes), f"{ada.login_path}/approval")
    response = ada.send(
        "/account/security/password",
        current_password=cast.ada.password,
        new_password=f"{cast.ada.password} anew",
    )
    assert response.status_code == 303, response.text
    assert oauth_error(poll_token(api(), codes)) == "expired_token"


def test_login_is_void_when_all_other_sessions_are_ended(api, ada, codes):
    ada.submit(enter_code(ada, codes), f"{ada.login_path}/approval")
    assert ada.send("/account/security/other-sessions/end").status_code == 303
    assert oauth_error(poll_token(api(), codes)) == "expired_token"


def test_concurrent_polls_give_one_session(app, api, ada, codes):
    ada.submit(enter_code(ada, codes), f"{ada.login_path}/approval")

    responses = at_once([lambda: poll_token(api(), codes)] * 6)

    assert sorted(response.status_code for response in responses) == [200, 400, 400, 400, 400, 400]
    assert rows.count(app, UserSession) == 2


def test_logins_of_one_address_are_limited(api):
    responses = [api().post("/device/code", {}) for _ in range(31)]
    assert [response.status_code for response in responses[:30]] == [200] * 30
    problem_of(responses[30], 429, "rate_limited")
    assert int(responses[30].headers["Retry-After"]) > 0


def test_codes_are_not_logged(api, ada, caplog, codes):
    caplog.set_level("DEBUG")
    poll_token(api(), codes)
    ada.submit(enter_code(ada, codes), f"{ada.login_path}/approval")
    poll_token(api(), codes)
    for code in (codes["device_code"], codes["user_code"], codes["user_code"].replace("-", "")):
        assert code not in caplog.text


def test_old_logins_are_pruned(app, api, clock, codes):
    clock.shift(timedelta(days=1, minutes=11))
    request_codes(api())
    with app.app_context():
        assert prune_device_logins() == 1


def test_openapi_describes_the_requests(app):
    paths = app.test_client().get(f"{API_PREFIX}/openapi.json").json["paths"]
    for path in ("/device/code", "/device/token"):
        operation = paths[API_PREFIX + path]["post"]
        assert list(operation["requestBody"]["content"]) == ["application/x-www-form-urlencoded"]
        assert operation["security"] == []
