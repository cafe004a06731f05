"""`/device`: a person types the code of a terminal, sees what asks, approves or denies."""

from datetime import timedelta

import pytest

from reflow_accounts.database import now
from tests.auth.devices import ask, poll, refusal_of, type_code
from tests.helpers import rows
from tests.helpers.at_once import at_once
from tests.helpers.html import parse
from tests.helpers.page_client import PageClient

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def terminal(clock, api):
    return ask(api(**{"User-Agent": "reflow/1.2.3 (Linux x86_64)"}))


@pytest.fixture
def ada(clock, cast, client):
    return cast.ada.sign_in(client)


@pytest.fixture
def ben(clock, app, cast):
    """Another browser, with another person."""
    return cast.ben.sign_in(PageClient(app, app.response_class))


def facts(page):
    names = [term.text for term in page.all("dt")]
    return dict(zip(names, [one.text for one in page.all("dd")], strict=True))


def test_page_asks_for_the_code_and_shows_what_is_asking(ada, terminal):
    page = type_code(ada, terminal)

    assert page.all("h1")[0].text == "Let this terminal in?"
    shown = facts(page)
    assert shown["Host name"] == "ada-laptop"
    assert shown["Program"] == "reflow command on Linux"
    assert shown["Address"] == "127.0.0.1"
    assert shown["Asked"].startswith("Just now (")
    assert [button.text for button in page.all("button") if button.text in ("Approve", "Deny")] == [
        "Approve",
        "Deny",
    ]
    assert "another address" not in page.text


def test_who_is_not_signed_in_logs_in_first_and_comes_back(cast, client):
    answer = client.get("/device")
    assert answer.headers["Location"] == "/login?next=/device"
    answer = client.send("/login?next=/device", email=cast.ada.email, password=cast.ada.password)
    assert answer.headers["Location"] == "/device"


@pytest.mark.parametrize("change", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "])
def test_how_the_code_is_typed_does_not_matter(ada, terminal, change):
    assert ada.send("/device", code=change(terminal["user_code"])).status_code == 303


@pytest.mark.parametrize("code", ["BCDF-GHJK", "x", "12345678", "Ä" * 8, "\u202e", "x" * 5000])
def test_wrong_code_says_so_and_says_what_to_do(ada, terminal, code):
    answer = ada.send("/device", code=code)
    page = parse(answer.text)
    assert answer.status_code == 422
    assert page.all("title")[0].text.startswith("Error: ")
    assert "run reflow login again" in page.text or "Enter the code" in page.text


def test_no_code_is_asked_for_again(ada):
    answer = ada.send("/device", code=" ")
    assert answer.status_code == 422
    assert "Enter the code that your terminal shows" in answer.text


def test_approval_is_told_and_is_in_the_activity(app, ada, api, terminal):
    page = type_code(ada, terminal)
    answer = ada.submit(page, f"{ada.shown}/approval")
    assert answer.status_code == 303
    told = ada.page(answer.headers["Location"])
    assert told.all("h1")[0].text == "Approved"
    assert "ada-laptop is signed in as you" in told.text
    assert not [button for button in told.all("button") if button.text in ("Approve", "Deny")]

    poll(api(**{"User-Agent": "reflow/1.2.3 (Linux x86_64)"}), terminal)
    assert rows.acts(app)[-2:] == [
        ("session.device_approved", "Ada Park", "reflow command on Linux (ada-laptop)"),
        ("session.created", "Ada Park", "reflow command on Linux (ada-laptop)"),
    ]
    assert "Command&#39;s login approved" in ada.get("/account/activity").text


def test_session_is_in_the_security_tab_and_can_be_ended_there(ada, api, terminal):
    ada.submit(type_code(ada, terminal), f"{ada.shown}/approval")
    program = {"User-Agent": "reflow/1.2.3 (Linux x86_64)"}
    secret = poll(api(**program), terminal).json["access_token"]
    assert api(secret).get("/me").status_code == 200

    page = ada.page("/account/security")
    [end] = [
        form
        for form in page.all("form")
        if "Sign out reflow command on Linux (ada-laptop)" in [b["aria-label"] for b in form.all("button")]
    ]
    assert ada.submit(page, end["action"]).status_code == 303
    assert api(secret).get("/me").status_code == 401


def test_denial_is_told(app, ada, terminal):
    page = type_code(ada, terminal)
    told = ada.page(ada.submit(page, f"{ada.shown}/denial").headers["Location"])
    assert told.all("h1")[0].text == "Denied"
    assert rows.acts(app)[-1][0] == "session.device_denied"


def test_decision_holds_and_the_same_one_again_is_harmless(app, ada, api, terminal):
    page = type_code(ada, terminal)
    assert ada.submit(page, f"{ada.shown}/approval").status_code == 303
    assert ada.submit(page, f"{ada.shown}/approval").status_code == 303
    answer = ada.submit(page, f"{ada.shown}/denial")
    assert answer.status_code == 409
    assert parse(answer.text).all("h1")[0].text == "Approved"
    assert [act for act, _, _ in rows.acts(app)].count("session.device_approved") == 1
    assert poll(api(), terminal).status_code == 200


def test_code_has_one_claimant(ada, ben, terminal):
    """The first user who types it decides; others get the error of a wrong code, and 404 for its page."""
    type_code(ada, terminal)
    assert ben.send("/device", code=terminal["user_code"]).status_code == 422
    assert ben.get(ada.shown).status_code == 404
    for act in ("approval", "denial"):
        assert ben.send(f"{ada.shown}/{act}").status_code == 404
    assert type_code(ada, terminal).all("h1")[0].text == "Let this terminal in?"


def test_of_two_who_type_a_code_at_once_one_gets_it(ada, ben, terminal):
    tokens = {browser: browser.csrf_token() for browser in (ada, ben)}
    answers = at_once(
        [
            lambda browser=browser: browser.post(
                "/device", data={"csrf_token": tokens[browser], "code": terminal["user_code"]}
            )
            for browser in (ada, ben)
        ]
    )
    assert sorted(answer.status_code for answer in answers) == [303, 422]


def test_of_approving_and_denying_at_once_one_counts(app, ada, api, terminal):
    type_code(ada, terminal)
    data = {"csrf_token": ada.csrf_token()}
    answers = at_once(
        [
            lambda act=act: ada.post(f"{ada.shown}/{act}", data=data)
            for act in ("approval", "denial", "approval")
        ]
    )
    acts = [act for act, _, _ in rows.acts(app) if act.startswith("session.device_")]
    assert len(acts) == 1
    is_approved = acts == ["session.device_approved"]
    assert [answer.status_code for answer in answers] == ([303, 409, 303] if is_approved else [409, 303, 409])
    assert poll(api(), terminal).status_code == (200 if is_approved else 400)


def test_approving_asks_for_a_proof_when_the_last_is_old_and_denying_does_not(
    ada, cast, api, clock, terminal
):
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    page = type_code(ada, terminal)
    asked = ada.submit(page, f"{ada.shown}/approval")
    assert asked.status_code == 403
    assert "Confirm that it is you" in asked.text
    assert refusal_of(poll(api(), terminal)) == "authorization_pending"
    proof = parse(asked.text)
    done = ada.submit(proof, f"{ada.shown}/approval", proof_password=cast.ada.password)
    assert done.status_code == 303
    assert poll(api(), terminal).status_code == 200

    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    other = ask(api())
    assert ada.submit(type_code(ada, other), f"{ada.shown}/denial").status_code == 303


def test_what_asks_from_elsewhere_is_said_to(ada, api, app):
    with app.app_context():
        codes = ask(api(), host="")
    ada.environ_base["REMOTE_ADDR"] = "198.51.100.7"
    page = type_code(ada, codes)
    assert facts(page)["Address"] == "127.0.0.1"
    assert facts(page)["Host name"] == "Not said"
    assert "It asks from another address than yours." in page.text


def test_expired_code_says_what_to_do(ada, clock, terminal):
    type_code(ada, terminal)
    clock.shift(timedelta(minutes=10))
    page = ada.page(ada.shown)
    assert page.all("h1")[0].text == "This code has expired"
    assert "Run reflow login again" in page.text


def test_guessing_codes_is_stopped_for_the_person_and_right_codes_do_not_count(ada, api):
    for _ in range(12):
        assert ada.send("/device", code=ask(api())["user_code"]).status_code == 303
    for _ in range(10):
        assert ada.send("/device", code="BCDF-GHJK").status_code == 422
    answer = ada.send("/device", code=ask(api())["user_code"])
    assert answer.status_code == 429
    assert "Too many attempts" in answer.text
    assert int(answer.headers["Retry-After"]) > 0


def test_code_is_in_no_address(ada, terminal):
    type_code(ada, terminal)
    assert terminal["user_code"].replace("-", "") not in ada.shown.replace("-", "")
    assert ada.page(f"/device?code={terminal['user_code']}").with_id("code")["value"] == ""
