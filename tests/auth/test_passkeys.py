"""Passkeys: adding, signing in, proving, renaming, removing."""

from datetime import timedelta

import pytest

from reflow_accounts.auth.models import PasskeyChallenge
from reflow_accounts.auth.passkeys import Site
from reflow_accounts.database import db, now
from reflow_accounts.mail.models import OutboxMessage
from tests.helpers import rows
from tests.helpers.authenticator import unpadded
from tests.helpers.authenticator_app import turn_on
from tests.helpers.html import parse
from tests.helpers.passkeys import (
    OPTIONS,
    PASSKEYS,
    REFUSED,
    SIGN_IN,
    SIGN_IN_OPTIONS,
    TAB,
    add,
    sign_in,
    stored_passkeys,
)

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def test_user_adds_a_passkey_and_signs_in_with_it(app, cast, ada):
    authenticator = add(ada, "Ada’s laptop")
    row = ada.page(TAB).with_id("auth-passkeys").text
    assert "Ada’s laptop" in row
    assert "Never" in row
    other = app.test_client()
    response = sign_in(other, authenticator, f"{SIGN_IN}?next=/account/activity")
    assert (response.status_code, response.headers["Location"]) == (303, "/account/activity")
    assert "Ada Park" in other.get("/account/profile").text
    assert "Just now" in other.page(TAB).with_id("auth-passkeys").text
    assert ("passkey.added", "Ada Park", "Ada’s laptop") in rows.audit_events(app)
    with app.app_context():
        notices = [
            notice.data["sentence"]
            for notice in db.session.scalars(db.select(OutboxMessage).order_by(OutboxMessage.id))
        ]
    assert notices == ["The passkey “Ada’s laptop” was added."]


def test_options_require_a_discoverable_verified_passkey(cast, ada):
    existing = add(ada)
    options = ada.send(OPTIONS, name="Phone").json
    selection = options["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert options["rp"]["id"] == "localhost"
    assert [item["id"] for item in options["excludeCredentials"]] == [unpadded(existing.credential_id)]
    assert options["user"]["name"] == cast.ada.email
    sign_in_options = ada.send(SIGN_IN_OPTIONS).json
    assert (sign_in_options["userVerification"], sign_in_options["allowCredentials"]) == ("required", [])


def test_passkey_counts_as_both_factors(app, cast, ada):
    authenticator = add(ada)
    turn_on(cast.ada)
    other = app.test_client()
    assert sign_in(other, authenticator).headers["Location"] == "/account/profile"
    assert other.get("/account/profile").status_code == 200


def test_log_in_page_has_the_passkey_button_and_no_htmx(client):
    page = client.page("/login")
    form = page.with_id("auth-passkey-sign-in")
    assert "hidden" in form
    assert form.all("button")[0].text == "Sign in with a passkey"
    names = [script["src"].removeprefix("/static/js/").partition(".")[0] for script in page.all("script")]
    assert sorted(names) == ["once", "passkeys"]


@pytest.mark.parametrize(
    "change", [{"disabled_at": now()}, {"deleted_at": now()}, {"kind": "service_account"}]
)
def test_inactive_user_cannot_sign_in_with_a_passkey(app, cast, ada, change):
    authenticator = add(ada)
    cast.ada.change(**change)
    response = sign_in(app.test_client(), authenticator)
    assert response.status_code == 422
    assert REFUSED in response.text


def test_passkey_is_added_to_one_account_only(app, cast, ada):
    authenticator = add(ada)
    ben = cast.ben.sign_in(app.test_client())
    credential = authenticator.create(ben.send(OPTIONS, name="x").json)
    response = ben.send(PASSKEYS, name="x", credential=credential)
    assert response.status_code == 422
    assert "already added" in response.text
    assert "Ada Park" in profile_after_sign_in(app, authenticator)


def profile_after_sign_in(app, authenticator):
    client = app.test_client()
    sign_in(client, authenticator)
    return client.get("/account/profile").text


BAD_NAMES = ["", " ", "x" * 65, "a\nb", "a\u202eb"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_invalid_name_is_explained_before_the_browser_asks(app, ada, name):
    response = ada.send(OPTIONS, name=name)
    assert response.status_code == 422
    assert set(response.json) == {"name"}
    assert rows.count(app, PasskeyChallenge) == 0
    response = ada.send(PASSKEYS, name=name)
    assert response.status_code == 422
    assert "Error: " in response.text


@pytest.fixture
def passkey(app, ada):
    """Ada's authenticator, and the path of her passkey."""
    authenticator = add(ada)
    return authenticator, f"{PASSKEYS}/{stored_passkeys(app)[0].public_id}"


def test_passkey_is_renamed(app, ada, passkey):
    _, address = passkey
    page = ada.page(address)
    for name in BAD_NAMES:
        assert ada.submit(page, address, name=name).status_code == 422
    assert ada.submit(page, address, name=" <b>Phone ").headers["Location"] == TAB
    assert "&lt;b&gt;Phone" in ada.get(TAB).text
    assert ("passkey.renamed", "Ada Park", "<b>Phone") in rows.audit_events(app)


def test_removed_passkey_cannot_sign_in(app, ada, passkey):
    authenticator, address = passkey
    page = ada.page(f"{address}/removal")
    assert "Remove Laptop?" in page.text
    assert ada.submit(page, f"{address}/removal").headers["Location"] == TAB
    assert "Laptop no longer signs you in." in ada.get(TAB).text
    assert sign_in(app.test_client(), authenticator).status_code == 422
    assert ada.submit(page, f"{address}/removal").status_code == 404
    assert [act for act in rows.audit_events(app) if act[0] == "passkey.removed"] == [
        ("passkey.removed", "Ada Park", "Laptop")
    ]


def test_passkey_of_another_user_is_404(app, cast, passkey):
    _, address = passkey
    for person in (cast.ben, cast.charlie, cast.sam):
        browser = person.sign_in(app.test_client())
        for path in (address, f"{address}/removal"):
            assert browser.get(path).status_code == 404
            assert browser.send(path, name="Mine").status_code == 404
    assert [item.name for item in stored_passkeys(app)] == ["Laptop"]


@pytest.mark.parametrize("path", [OPTIONS, PASSKEYS, "{one}", "{one}/removal"])
def test_every_change_requires_a_recent_proof(app, cast, ada, passkey, path):
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    response = ada.send(path.format(one=passkey[1]), name="Changed")
    assert response.status_code == 403
    assert "Confirm that it is you" in response.text
    assert [item.name for item in stored_passkeys(app)] == ["Laptop"]


def test_passkey_confirms_a_sensitive_action(app, cast, ada, passkey):
    authenticator, address = passkey
    options = f"{PASSKEYS}/proof-options"
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    page = parse(ada.send(address, name="Phone").text)
    assert page.all("form")[-1]["data-options"] == options
    # Passkeys of others and challenges of the log-in page are refused.
    ben = cast.ben.sign_in(app.test_client())
    bens_passkey = add(ben)
    for credential in (
        bens_passkey.get(ada.send(options).json),
        bens_passkey.get(ben.send(options).json),
        authenticator.get(ada.send(SIGN_IN_OPTIONS).json),
        "{}",
    ):
        assert ada.send(address, name="Phone", proof_credential=credential).status_code == 422
    response = ada.send(address, name="Phone", proof_credential=authenticator.get(ada.send(options).json))
    assert (response.status_code, response.headers["Location"]) == (303, TAB)
    assert "Phone" in [item.name for item in stored_passkeys(app)]


def test_site_at_an_ip_address_names_localhost():
    """Browsers create no passkeys at an IP address."""
    for origin, address, name in (
        ("http://127.0.0.1:5000", "127.0.0.1", "http://localhost:5000"),
        ("https://192.0.2.7", "192.0.2.7", ""),
        ("https://accounts.example.com", "", ""),
    ):
        site = Site.at(origin)
        assert (site.address, site.local_name) == (address, name)
