"""Step-up: an old proof must be renewed, and the interrupted action continues with its input."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.auth import sessions
from reflow_accounts.auth.models import Factor, UserSession
from reflow_accounts.database import db, now
from tests.factories import CLIENT
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


def submit_new_key(ada, name="CI", **headers):
    """Submit the form of a new key; return the response, which requires a proof, and its page."""
    response = ada.submit(ada.page(f"{KEYS}/new"), KEYS, name=name, headers=headers)
    return response, parse(response.text)


def test_recent_sign_in_needs_no_proof(app, cast, client):
    cast.ada.sign_in(client)
    response = client.submit(client.page(f"{KEYS}/new"), KEYS, name="CI")
    assert SECRET.search(response.text)
    assert "session.confirmed" not in [action for action, *_ in rows.audit_events(app)]


@pytest.mark.parametrize(("age", "status"), [(timedelta(minutes=29), 200), (LONG_AGO, 403), (None, 403)])
def test_proof_is_valid_for_half_an_hour(cast, client, age, status):
    cast.ada.sign_in(client)
    cast.ada.change_sessions(proven_at=now() - age if age else None)
    assert client.submit(client.page(f"{KEYS}/new"), KEYS, name="CI").status_code == status


@pytest.mark.parametrize("headers", [{}, PANEL], ids=["page", "dialog"])
def test_key_is_created_and_shown_in_the_response_to_the_proof(app, cast, ada, headers):
    response, page = submit_new_key(ada, "Ünï <b>", **headers)
    assert response.status_code == 403
    assert "Confirm that it is you" in page.text
    assert rows.count(app, ApiKey) == 0
    response = ada.submit(page, KEYS, proof_password=cast.ada.password, headers=headers)
    assert response.status_code == (201 if headers else 200)
    assert len(set(SECRET.findall(response.text))) == 1
    assert "Ünï &lt;b&gt;" in response.text
    events = [(action, actor) for action, actor, _ in rows.audit_events(app)]
    assert events[-2:] == [("session.confirmed", "Ada Park"), ("api_key.created", "Ada Park")]


def test_proof_is_required_once(cast, ada):
    _, page = submit_new_key(ada, "first")
    ada.submit(page, KEYS, proof_password=cast.ada.password)
    assert ada.submit(ada.page(f"{KEYS}/new"), KEYS, name="second").status_code == 200


@pytest.mark.parametrize(
    ("password", "sentence"), [("", "Enter your password"), ("wrong-password", "This is not your password")]
)
@pytest.mark.parametrize("headers", [{}, PANEL], ids=["page", "dialog"])
def test_wrong_proof_can_be_corrected_without_losing_input(app, cast, ada, headers, password, sentence):
    _, page = submit_new_key(ada, "kept", **headers)
    response = ada.submit(page, KEYS, proof_password=password, headers=headers)
    assert response.status_code == 422
    assert sentence in response.text
    assert "wrong-password" not in response.text
    assert rows.audit_events(app)[-1][:2] == ("session.confirmation_refused", "Ada Park")
    assert rows.count(app, ApiKey) == 0
    response = ada.submit(parse(response.text), KEYS, proof_password=cast.ada.password, headers=headers)
    assert SECRET.search(response.text)
    assert "kept" in response.text


def test_form_sent_twice_with_its_proof_creates_one_key(app, cast, ada):
    _, page = submit_new_key(ada)
    responses = [ada.submit(page, KEYS, proof_password=cast.ada.password) for _ in range(2)]
    assert [response.status_code for response in responses] == [200, 409]
    assert rows.count(app, ApiKey) == 1


def test_form_sent_five_times_with_its_proof_creates_one_key(app, cast, ada):
    _, page = submit_new_key(ada)
    fields = {item["name"]: item["value"] for item in page.all("input") if item["name"]}
    fields |= {"proof_password": cast.ada.password}
    cookie, barrier = ada.get_cookie("reflow").value, threading.Barrier(5)

    def send_form(_):
        tab = app.test_client()
        tab.set_cookie("reflow", cookie)
        barrier.wait()
        return tab.post(KEYS, data=fields, headers=PANEL), tab

    with ThreadPoolExecutor(5) as threads:
        results = list(threads.map(send_form, range(5)))
    # Requests after the renewal get 401; those that were checked before it find the key already created.
    statuses = sorted(response.status_code for response, _ in results)
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {401, 409}
    assert rows.count(app, ApiKey) == 1
    assert sum(tab.get("/account/profile").status_code == 200 for _, tab in results) == 1


def test_later_of_two_proofs_at_once_keeps_the_session_value(app, cast, ada):
    _, page = submit_new_key(ada)
    with app.app_context():
        session = db.session.scalars(db.select(UserSession)).one()
    ada.submit(page, KEYS, proof_password=cast.ada.password)
    with app.app_context():
        db.session.add(session)  # as the later request had read it
        assert sessions.confirm(session, Factor.PASSWORD, client=CLIENT) is None
        db.session.commit()
    assert ada.get("/account/profile").status_code == 200


def test_error_of_the_action_is_shown_after_the_proof(app, cast, ada):
    _, page = submit_new_key(ada, " ")
    response = ada.submit(page, KEYS, proof_password=cast.ada.password)
    assert response.status_code == 422
    assert "Enter a name for this key" in response.text


def test_passwords_are_not_copied_into_the_proof_form(cast, ada):
    response = ada.send(KEYS, name="CI", nonce="n", new_password="something-else-entirely")
    assert response.status_code == 403
    assert "something-else-entirely" not in response.text
    names = sorted(item["name"] for item in parse(response.text).all("input"))
    # The menu in the header has a form with a token of its own.
    assert names == ["csrf_token", "csrf_token", "name", "nonce", "proof_password", "username"]


def test_proof_fields_are_not_copied_into_the_proof_form(cast, ada):
    response = ada.send(KEYS, name="CI", nonce="n", proof_of_another_kind="123456")
    assert response.status_code == 422
    assert "123456" not in response.text


def test_proof_renews_the_session_value(app, cast, ada):
    old = ada.get_cookie("reflow").value
    _, page = submit_new_key(ada)
    ada.submit(page, KEYS, proof_password=cast.ada.password)
    assert ada.get_cookie("reflow").value != old
    assert ada.get("/account/profile").status_code == 200
    assert rows.count(app, UserSession) == 1
    thief = app.test_client()
    thief.set_cookie("reflow", old)
    assert thief.get("/account/profile").status_code == 303


def test_password_of_another_user_is_no_proof(cast, ada):
    cast.ada.change(password_hash=None)
    _, page = submit_new_key(ada)
    assert ada.submit(page, KEYS, proof_password=cast.ben.password).status_code == 422


def test_proof_renews_a_hash_of_an_older_secret_key(app, cast, ada):
    from reflow_accounts.auth import passwords
    from reflow_accounts.auth.passwords import PasswordHasher

    _, page = submit_new_key(ada)
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


def test_page_is_shown_after_its_proof(cast, client):
    cast.sam.sign_in(client)
    cast.sam.change_sessions(proven_at=now() - LONG_AGO)
    response = client.get("/support?q=Acme")
    assert response.status_code == 403
    page = parse(response.text)
    page.attributes["address"] = "/support"
    response = client.submit(page, "/account/confirmation", proof_password="wrong-password")
    assert response.status_code == 422
    response = client.submit(parse(response.text), "/account/confirmation", proof_password=cast.sam.password)
    assert (response.status_code, response.headers["Location"]) == (303, "/support?q=Acme")
    assert client.get("/support?q=Acme").status_code == 200


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_proof_ignores_foreign_targets(cast, ada, target):
    response = ada.post(
        "/account/confirmation",
        query_string={"next": target},
        data={"csrf_token": ada.csrf_token(), "proof_password": cast.ada.password},
    )
    assert (response.status_code, response.headers["Location"]) == (303, "/account/profile")


def test_proof_for_a_part_of_a_page_is_a_dialog(cast, ada):
    response = ada.submit(
        ada.page(f"{KEYS}/new"),
        KEYS,
        name="CI",
        headers={"HX-Request": "true", "HX-Target": "div#api-keys-table"},
    )
    assert response.headers["HX-Retarget"] == "#modal"
    # As a search would, which selects a part of the response and changes the address.
    assert (response.headers["HX-Reselect"], response.headers["HX-Replace-Url"]) == ("dialog", "false")
    page = parse(response.text)
    assert page.all("dialog")
    # The response to the action replaces the page, not a part of the dialog.
    assert page.all("form")[0]["hx-target"] == "#main"
    assert SECRET.search(ada.submit(page, KEYS, proof_password=cast.ada.password).text)


def test_form_of_a_proof_requires_the_csrf_token(app, cast, ada):
    response = ada.post(KEYS, data={"name": "CI", "nonce": "n", "proof_password": cast.ada.password})
    assert response.status_code == 400
    assert "session.confirmed" not in [action for action, *_ in rows.audit_events(app)]
    with app.app_context():
        assert db.session.scalars(db.select(UserSession.proven_at)).one() < now() - timedelta(minutes=30)


@pytest.mark.parametrize("headers", [{}, PANEL], ids=["page", "dialog"])
def test_wrong_proofs_are_limited_without_losing_input(app, cast, ada, headers):
    _, page = submit_new_key(ada, "patient", **headers)
    for _ in range(10):
        assert ada.submit(page, KEYS, proof_password=cast.ada.email, headers=headers).status_code == 422
    response = ada.submit(page, KEYS, proof_password=cast.ada.password, headers=headers)
    assert response.status_code == 429
    assert "Too many attempts. Try again in 5 minutes." in response.text
    assert 0 < int(response.headers["Retry-After"]) <= 300
    assert rows.count(app, ApiKey) == 0
    with time_machine.travel(now() + timedelta(minutes=6), tick=False):
        response = ada.submit(parse(response.text), KEYS, proof_password=cast.ada.password, headers=headers)
    assert "patient" in response.text
    assert SECRET.search(response.text)


def test_enabling_a_service_account_needs_a_proof_and_disabling_not(cast, ada, api):
    key = cast.ci.key("deploy")
    path = f"/account/teams/{cast.acme.id}/service-accounts/{cast.ci.id}"
    state_path = f"{path}/status"
    assert ada.submit(ada.page(path), state_path).status_code == 303
    assert api(key.secret).get("/me").status_code == 401
    response = ada.submit(ada.page(path), state_path)
    assert response.status_code == 403
    assert "Confirm that it is you" in response.text
    assert api(key.secret).get("/me").status_code == 401
    assert ada.submit(parse(response.text), state_path, proof_password=cast.ada.password).status_code == 303
    assert api(key.secret).get("/me").status_code == 200


def test_right_proofs_are_not_counted(app, cast, ada):
    for number in range(11):
        cast.ada.change_sessions(proven_at=None)
        _, page = submit_new_key(ada, f"key {number}")
        assert ada.submit(page, KEYS, proof_password=cast.ada.password).status_code == 200
    cast.ada.change_sessions(proven_at=None)
    _, page = submit_new_key(ada)
    for _ in range(11):
        ada.submit(page, KEYS, proof_password=cast.ben.email)
    cast.ada.sign_in(app.test_client())
