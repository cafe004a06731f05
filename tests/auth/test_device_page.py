"""`/device`: a user enters the code of a terminal, sees the terminal's details, approves or denies."""

from datetime import timedelta

import pytest

from reflow_accounts.database import now
from tests.auth.devices import enter_code, oauth_error, poll_token, request_codes
from tests.helpers import rows
from tests.helpers.at_once import at_once
from tests.helpers.html import parse
from tests.helpers.page_client import PageClient

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def codes(clock, api):
    return request_codes(api(**{"User-Agent": "reflow/1.2.3 (Linux x86_64)"}))


@pytest.fixture
def ada(clock, cast, client):
    return cast.ada.sign_in(client)


@pytest.fixture
def ben(clock, app, cast):
    """The browser of Ben."""
    return cast.ben.sign_in(PageClient(app, app.response_class))


def details_of(page):
    names = [term.text for term in page.all("dt")]
    return dict(zip(names, [definition.text for definition in page.all("dd")], strict=True))


def test_page_shows_details_of_the_terminal(ada, codes):
    page = enter_code(ada, codes)

    assert page.all("h1")[0].text == "Let this terminal in?"
    details = details_of(page)
    assert details["Host name"] == "ada-laptop"
    assert details["Program"] == "reflow command on Linux"
    assert details["Address"] == "127.0.0.1"
    assert details["Asked"].startswith("Just now (")
    assert [button.text for button in page.all("button") if button.text in ("Approve", "Deny")] == [
        "Approve",
        "Deny",
    ]
    assert "another address" not in page.text


def test_log_in_comes_first_and_returns_to_the_page(cast, client):
    response = client.get("/device")
    assert response.headers["Location"] == "/login?next=/device"
    response = client.send("/login?next=/device", email=cast.ada.email, password=cast.ada.password)
    assert response.headers["Location"] == "/device"


@pytest.mark.parametrize("change", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "])
def test_code_is_accepted_in_any_spelling(ada, codes, change):
    assert ada.send("/device", code=change(codes["user_code"])).status_code == 303


@pytest.mark.parametrize("code", ["BCDF-GHJK", "x", "12345678", "Ä" * 8, "\u202e", "x" * 5000])
def test_wrong_code_is_explained(ada, codes, code):
    response = ada.send("/device", code=code)
    page = parse(response.text)
    assert response.status_code == 422
    assert page.all("title")[0].text.startswith("Error: ")
    assert "run reflow login again" in page.text or "Enter the code" in page.text


def test_missing_code_is_explained(ada):
    response = ada.send("/device", code=" ")
    assert response.status_code == 422
    assert "Enter the code that your terminal shows" in response.text


def test_approval_is_confirmed_and_recorded(app, ada, api, codes):
    page = enter_code(ada, codes)
    response = ada.submit(page, f"{ada.login_path}/approval")
    assert response.status_code == 303
    page_after = ada.page(response.headers["Location"])
    assert page_after.all("h1")[0].text == "Approved"
    assert "ada-laptop is signed in as you" in page_after.text
    assert not [button for button in page_after.all("button") if button.text in ("Approve", "Deny")]

    poll_token(api(**{"User-Agent": "reflow/1.2.3 (Linux x86_64)"}), codes)
    assert rows.audit_events(app)[-2:] == [
        ("session.device_approved", "Ada Park", "reflow command on Linux (ada-laptop)"),
        ("session.created", "Ada Park", "reflow command on Linux (ada-laptop)"),
    ]
    assert "Command&#39;s login approved" in ada.get("/account/activity").text


def test_session_can_be_ended_on_the_security_tab(ada, api, codes):
    ada.submit(enter_code(ada, codes), f"{ada.login_path}/approval")
    program = {"User-Agent": "reflow/1.2.3 (Linux x86_64)"}
    secret = poll_token(api(**program), codes).json["access_token"]
    assert api(secret).get("/me").status_code == 200

    page = ada.page("/account/security")
    [end] = [
        form
        for form in page.all("form")
        if "Sign out reflow command on Linux (ada-laptop)" in [b["aria-label"] for b in form.all("button")]
    ]
    assert ada.submit(page, end["action"]).status_code == 303
    assert api(secret).get("/me").status_code == 401


def test_denial_is_confirmed(app, ada, codes):
    page = enter_code(ada, codes)
    page_after = ada.page(ada.submit(page, f"{ada.login_path}/denial").headers["Location"])
    assert page_after.all("h1")[0].text == "Denied"
    assert rows.audit_events(app)[-1][0] == "session.device_denied"


def test_decision_cannot_be_reversed_and_can_be_repeated(app, ada, api, codes):
    page = enter_code(ada, codes)
    assert ada.submit(page, f"{ada.login_path}/approval").status_code == 303
    assert ada.submit(page, f"{ada.login_path}/approval").status_code == 303
    response = ada.submit(page, f"{ada.login_path}/denial")
    assert response.status_code == 409
    assert parse(response.text).all("h1")[0].text == "Approved"
    assert [act for act, _, _ in rows.audit_events(app)].count("session.device_approved") == 1
    assert poll_token(api(), codes).status_code == 200


def test_code_belongs_to_the_first_user_who_enters_it(ada, ben, codes):
    """The first user who enters the code decides; others get the error of a wrong code, and 404."""
    enter_code(ada, codes)
    assert ben.send("/device", code=codes["user_code"]).status_code == 422
    assert ben.get(ada.login_path).status_code == 404
    for act in ("approval", "denial"):
        assert ben.send(f"{ada.login_path}/{act}").status_code == 404
    assert enter_code(ada, codes).all("h1")[0].text == "Let this terminal in?"


def test_concurrent_users_of_one_code_give_one_owner(ada, ben, codes):
    tokens = {browser: browser.csrf_token() for browser in (ada, ben)}
    responses = at_once(
        [
            lambda browser=browser: browser.post(
                "/device", data={"csrf_token": tokens[browser], "code": codes["user_code"]}
            )
            for browser in (ada, ben)
        ]
    )
    assert sorted(response.status_code for response in responses) == [303, 422]


def test_concurrent_approval_and_denial_record_one_decision(app, ada, api, codes):
    enter_code(ada, codes)
    data = {"csrf_token": ada.csrf_token()}
    responses = at_once(
        [
            lambda act=act: ada.post(f"{ada.login_path}/{act}", data=data)
            for act in ("approval", "denial", "approval")
        ]
    )
    actions = [act for act, _, _ in rows.audit_events(app) if act.startswith("session.device_")]
    assert len(actions) == 1
    is_approved = actions == ["session.device_approved"]
    assert [response.status_code for response in responses] == (
        [303, 409, 303] if is_approved else [409, 303, 409]
    )
    assert poll_token(api(), codes).status_code == (200 if is_approved else 400)


def test_approval_requires_a_recent_proof_and_denial_does_not(ada, cast, api, clock, codes):
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    page = enter_code(ada, codes)
    proof_page = ada.submit(page, f"{ada.login_path}/approval")
    assert proof_page.status_code == 403
    assert "Confirm that it is you" in proof_page.text
    assert oauth_error(poll_token(api(), codes)) == "authorization_pending"
    proof = parse(proof_page.text)
    response = ada.submit(proof, f"{ada.login_path}/approval", proof_password=cast.ada.password)
    assert response.status_code == 303
    assert poll_token(api(), codes).status_code == 200

    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    other = request_codes(api())
    assert ada.submit(enter_code(ada, other), f"{ada.login_path}/denial").status_code == 303


def test_page_warns_of_another_network_address(ada, api, app):
    with app.app_context():
        codes = request_codes(api(), host="")
    ada.environ_base["REMOTE_ADDR"] = "198.51.100.7"
    page = enter_code(ada, codes)
    assert details_of(page)["Address"] == "127.0.0.1"
    assert details_of(page)["Host name"] == "Not said"
    assert "It asks from another address than yours." in page.text


def test_expired_code_is_explained(ada, clock, codes):
    enter_code(ada, codes)
    clock.shift(timedelta(minutes=10))
    page = ada.page(ada.login_path)
    assert page.all("h1")[0].text == "This code has expired"
    assert "Run reflow login again" in page.text


def test_wrong_codes_are_limited_and_right_ones_are_not_counted(ada, api):
    for _ in range(12):
        assert ada.send("/device", code=request_codes(api())["user_code"]).status_code == 303
    for _ in range(10):
        assert ada.send("/device", code="BCDF-GHJK").status_code == 422
    response = ada.send("/device", code=request_codes(api())["user_code"])
    assert response.status_code == 429
    assert "Too many attempts" in response.text
    assert int(response.headers["Retry-After"]) > 0


def test_code_is_in_no_url(ada, codes):
    enter_code(ada, codes)
    assert codes["user_code"].replace("-", "") not in ada.login_path.replace("-", "")
    assert ada.page(f"/device?code={codes['user_code']}").with_id("code")["value"] == ""
