"""Step-up: an old proof is asked for again, and the interrupted act goes on with all that was typed."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import db, now
from tests.helpers import rows
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later

KEYS = "/account/api-keys"
SECRET = re.compile(r"rfk_[0-9A-Za-z]{49}")
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}
LONG_AGO = timedelta(minutes=31)


@pytest.fixture
def ada(cast, client):
    """Ada, who signed in long ago."""
    cast.ada.sign_in(client)
    cast.ada.change_sessions(proven_at=now() - LONG_AGO)
    return client


def ask_for_key(ada, name="CI", **headers):
    """Fill in the form of a new key; return the answer, which asks for a proof, and its page."""
    answer = ada.submit(ada.page(f"{KEYS}/new"), KEYS, name=name, headers=headers)
    return answer, parse(answer.text)


def test_who_has_just_signed_in_is_not_asked(app, cast, client):
    cast.ada.sign_in(client)
    answer = client.submit(client.page(f"{KEYS}/new"), KEYS, name="CI")
    assert SECRET.search(answer.text)
    assert "session.confirmed" not in [action for action, *_ in rows.acts(app)]


@pytest.mark.parametrize(("age", "status"), [(timedelta(minutes=29), 200), (LONG_AGO, 403), (None, 403)])
def test_proof_counts_for_half_an_hour(cast, client, age, status):
    cast.ada.sign_in(client)
    cast.ada.change_sessions(proven_at=now() - age if age else None)
    assert client.submit(client.page(f"{KEYS}/new"), KEYS, name="CI").status_code == status


@pytest.mark.parametrize("headers", [{}, PANEL], ids=["page", "dialog"])
def test_key_is_made_and_shown_in_the_answer_to_the_proof(app, cast, ada, headers):
    answer, page = ask_for_key(ada, "Ünï <b>", **headers)
    assert answer.status_code == 403
    assert "Confirm that it is you" in page.text
    assert rows.count(app, ApiKey) == 0
    answer = ada.submit(page, KEYS, proof_password=cast.ada.password, headers=headers)
    assert answer.status_code == (201 if headers else 200)
    assert len(set(SECRET.findall(answer.text))) == 1
    assert "Ünï &lt;b&gt;" in answer.text
    acts = [(action, actor) for action, actor, _ in rows.acts(app)]
    assert acts[-2:] == [("session.confirmed", "Ada Park"), ("api_key.created", "Ada Park")]


def test_proof_is_asked_for_once(cast, ada):
    _, page = ask_for_key(ada, "first")
    ada.submit(page, KEYS, proof_password=cast.ada.password)
    assert ada.submit(ada.page(f"{KEYS}/new"), KEYS, name="second").status_code == 200


@pytest.mark.parametrize(
    ("password", "sentence"), [("", "Enter your password"), ("wrong-password", "This is not your password")]
)
@pytest.mark.parametrize("headers", [{}, PANEL], ids=["page", "dialog"])
def test_wrong_proof_is_asked_for_again_and_nothing_is_lost(app, cast, ada, headers, password, sentence):
    _, page = ask_for_key(ada, "kept", **headers)
    answer = ada.submit(page, KEYS, proof_password=password, headers=headers)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "wrong-password" not in answer.text
    assert rows.acts(app)[-1][:2] == ("session.confirmation_refused", "Ada Park")
    assert rows.count(app, ApiKey) == 0
    answer = ada.submit(parse(answer.text), KEYS, proof_password=cast.ada.password, headers=headers)
    assert SECRET.search(answer.text)
    assert "kept" in answer.text


def test_form_sent_twice_with_its_proof_makes_one_key(app, cast, ada):
    _, page = ask_for_key(ada)
    answers = [ada.submit(page, KEYS, proof_password=cast.ada.password) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert rows.count(app, ApiKey) == 1


def test_form_sent_five_times_at_once_with_its_proof_makes_one_key_and_keeps_one_value(app, cast, ada):
    _, page = ask_for_key(ada)
    fields = {item["name"]: item["value"] for item in page.all("input") if item["name"]}
    fields |= {"proof_password": cast.ada.password}
    cookie, barrier = ada.get_cookie("reflow").value, threading.Barrier(5)

    def click(_):
        tab = app.test_client()
        tab.set_cookie("reflow", cookie)
        barrier.wait()
        return tab.post(KEYS, data=fields, headers=PANEL), tab

    with ThreadPoolExecutor(5) as threads:
        clicks = list(threads.map(click, range(5)))
    # Who comes after the new value is sent to the log-in page; who came with the first finds the key made.
    statuses = sorted(answer.status_code for answer, _ in clicks)
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {401, 409}
    assert rows.count(app, ApiKey) == 1
    assert sum(tab.get("/account/profile").status_code == 200 for _, tab in clicks) == 1


def test_what_is_wrong_with_the_act_is_said_after_the_proof(app, cast, ada):
    _, page = ask_for_key(ada, " ")
    answer = ada.submit(page, KEYS, proof_password=cast.ada.password)
    assert answer.status_code == 422
    assert "Enter a name for this key" in answer.text


def test_passwords_are_not_carried_along(cast, ada):
    answer = ada.send(KEYS, name="CI", nonce="n", new_password="something-else-entirely")
    assert answer.status_code == 403
    assert "something-else-entirely" not in answer.text
    names = sorted(item["name"] for item in parse(answer.text).all("input"))
    # The menu in the header has a form with a token of its own.
    assert names == ["csrf_token", "csrf_token", "name", "nonce", "proof_password", "username"]


def test_proof_is_not_carried_along(cast, ada):
    answer = ada.send(KEYS, name="CI", nonce="n", proof_of_another_kind="123456")
    assert answer.status_code == 422
    assert "123456" not in answer.text


def test_proof_gives_the_session_a_new_value_and_the_old_one_is_dead(app, cast, ada):
    old = ada.get_cookie("reflow").value
    _, page = ask_for_key(ada)
    ada.submit(page, KEYS, proof_password=cast.ada.password)
    assert ada.get_cookie("reflow").value != old
    assert ada.get("/account/profile").status_code == 200
    assert rows.count(app, UserSession) == 1
    thief = app.test_client()
    thief.set_cookie("reflow", old)
    assert thief.get("/account/profile").status_code == 303


def test_another_persons_password_proves_nothing(cast, ada):
    cast.ada.change(password_hash=None)
    _, page = ask_for_key(ada)
    assert ada.submit(page, KEYS, proof_password=cast.ben.password).status_code == 422


def test_proof_with_an_older_secret_key_renews_what_is_stored(app, cast, ada):
    from reflow_accounts.auth import passwords
    from reflow_accounts.auth.passwords import PasswordHasher

    _, page = ask_for_key(ada)
    current = app.extensions["password_hasher"]
    with app.app_context():
        old = cast.ada.row().password_hash
    try:
        passwords.init_app(app, PasswordHasher(["n" * 32, app.secret_key], 4))
        assert ada.submit(page, KEYS, proof_password=cast.ada.password).status_code == 200
        with app.app_context():
            assert cast.ada.row().password_hash != old
    finally:
        passwords.init_app(app, current)


def test_page_that_is_only_looked_at_comes_after_its_proof(cast, client):
    cast.sam.sign_in(client)
    cast.sam.change_sessions(proven_at=now() - LONG_AGO)
    answer = client.get("/support?q=Acme")
    assert answer.status_code == 403
    page = parse(answer.text)
    page.attributes["address"] = "/support"
    answer = client.submit(page, "/account/confirmation", proof_password="wrong-password")
    assert answer.status_code == 422
    answer = client.submit(parse(answer.text), "/account/confirmation", proof_password=cast.sam.password)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/support?q=Acme")
    assert client.get("/support?q=Acme").status_code == 200


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_proof_leads_to_no_other_site(cast, ada, wanted):
    answer = ada.post(
        "/account/confirmation",
        query_string={"next": wanted},
        data={"csrf_token": ada.csrf_token(), "proof_password": cast.ada.password},
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/profile")


def test_act_on_a_part_of_a_page_is_asked_for_in_a_dialog(cast, ada):
    answer = ada.submit(
        ada.page(f"{KEYS}/new"),
        KEYS,
        name="CI",
        headers={"HX-Request": "true", "HX-Target": "div#api-keys-table"},
    )
    assert answer.headers["HX-Retarget"] == "#modal"
    page = parse(answer.text)
    assert page.all("dialog")
    # The answer to the act replaces the page, not a part of the dialog.
    assert page.all("form")[0]["hx-target"] == "#main"
    assert SECRET.search(ada.submit(page, KEYS, proof_password=cast.ada.password).text)


def test_form_of_a_proof_needs_the_token_of_this_session(app, cast, ada):
    answer = ada.post(KEYS, data={"name": "CI", "nonce": "n", "proof_password": cast.ada.password})
    assert answer.status_code == 400
    assert "session.confirmed" not in [action for action, *_ in rows.acts(app)]
    with app.app_context():
        assert db.session.scalars(db.select(UserSession.proven_at)).one() < now() - timedelta(minutes=30)


@pytest.mark.parametrize("headers", [{}, PANEL], ids=["page", "dialog"])
def test_too_many_wrong_proofs_wait_and_nothing_is_lost(app, cast, ada, headers):
    _, page = ask_for_key(ada, "patient", **headers)
    for _ in range(10):
        assert ada.submit(page, KEYS, proof_password=cast.ada.email, headers=headers).status_code == 422
    answer = ada.submit(page, KEYS, proof_password=cast.ada.password, headers=headers)
    assert answer.status_code == 429
    assert "Too many attempts. Try again in 5 minutes." in answer.text
    assert 0 < int(answer.headers["Retry-After"]) <= 300
    assert rows.count(app, ApiKey) == 0
    with time_machine.travel(now() + timedelta(minutes=6), tick=False):
        answer = ada.submit(parse(answer.text), KEYS, proof_password=cast.ada.password, headers=headers)
    assert "patient" in answer.text
    assert SECRET.search(answer.text)


def test_enabling_a_service_account_needs_a_proof_and_disabling_does_not(cast, ada, api):
    key = cast.ci.key("deploy")
    path = f"/account/teams/{cast.acme.id}/service-accounts/{cast.ci.id}"
    standing = f"{path}/standing"
    assert ada.submit(ada.page(path), standing).status_code == 303
    assert api(key.secret).get("/me").status_code == 401
    answer = ada.submit(ada.page(path), standing)
    assert answer.status_code == 403
    assert "Confirm that it is you" in answer.text
    assert api(key.secret).get("/me").status_code == 401
    assert ada.submit(parse(answer.text), standing, proof_password=cast.ada.password).status_code == 303
    assert api(key.secret).get("/me").status_code == 200


def test_right_proofs_use_no_tries_up_and_signing_in_is_not_hindered(app, cast, ada):
    for number in range(11):
        cast.ada.change_sessions(proven_at=None)
        _, page = ask_for_key(ada, f"key {number}")
        assert ada.submit(page, KEYS, proof_password=cast.ada.password).status_code == 200
    cast.ada.change_sessions(proven_at=None)
    _, page = ask_for_key(ada)
    for _ in range(11):
        ada.submit(page, KEYS, proof_password=cast.ben.email)
    cast.ada.sign_in(app.test_client())
