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
    CANNOT,
    OPTIONS,
    PASSKEYS,
    SIGN_IN,
    SIGN_IN_OPTIONS,
    TAB,
    add,
    kept,
    sign_in,
)

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def test_ada_adds_a_passkey_and_signs_in_without_a_password(app, cast, ada):
    authenticator = add(ada, "Ada’s laptop")
    row = ada.page(TAB).with_id("auth-passkeys").text
    assert "Ada’s laptop" in row
    assert "Never" in row
    other = app.test_client()
    answer = sign_in(other, authenticator, f"{SIGN_IN}?next=/account/activity")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/activity")
    assert "Ada Park" in other.get("/account/profile").text
    assert "Just now" in other.page(TAB).with_id("auth-passkeys").text
    assert ("passkey.added", "Ada Park", "Ada’s laptop") in rows.acts(app)
    with app.app_context():
        notices = [
            notice.data["sentence"]
            for notice in db.session.scalars(db.select(OutboxMessage).order_by(OutboxMessage.id))
        ]
    assert notices == ["The passkey “Ada’s laptop” was added."]


def test_browser_is_asked_for_a_passkey_that_it_can_find_by_itself_and_that_knows_its_person(cast, ada):
    known = add(ada)
    options = ada.send(OPTIONS, name="Phone").json
    selection = options["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert options["rp"]["id"] == "localhost"
    assert [one["id"] for one in options["excludeCredentials"]] == [unpadded(known.credential_id)]
    assert options["user"]["name"] == cast.ada.email
    asked = ada.send(SIGN_IN_OPTIONS).json
    assert (asked["userVerification"], asked["allowCredentials"]) == ("required", [])


def test_passkey_counts_as_both_factors(app, cast, ada):
    authenticator = add(ada)
    turn_on(cast.ada)
    other = app.test_client()
    assert sign_in(other, authenticator).headers["Location"] == "/account/profile"
    assert other.get("/account/profile").status_code == 200


def test_log_in_page_has_the_button_and_its_script_alone(client):
    page = client.page("/login")
    form = page.with_id("auth-passkey-sign-in")
    assert "hidden" in form
    assert form.all("button")[0].text == "Sign in with a passkey"
    [script] = page.all("script")
    assert script["src"].startswith("/static/js/passkeys.")


@pytest.mark.parametrize(
    "change", [{"disabled_at": now()}, {"deleted_at": now()}, {"kind": "service_account"}]
)
def test_who_may_not_sign_in_may_not_with_a_passkey_either(app, cast, ada, change):
    authenticator = add(ada)
    cast.ada.change(**change)
    answer = sign_in(app.test_client(), authenticator)
    assert answer.status_code == 422
    assert CANNOT in answer.text


def test_one_authenticators_passkey_is_added_once(app, cast, ada):
    authenticator = add(ada)
    ben = cast.ben.sign_in(app.test_client())
    credential = authenticator.create(ben.send(OPTIONS, name="x").json)
    answer = ben.send(PASSKEYS, name="x", credential=credential)
    assert answer.status_code == 422
    assert "already added" in answer.text
    assert "Ada Park" in sign_in_and_look(app, authenticator)


def sign_in_and_look(app, authenticator):
    client = app.test_client()
    sign_in(client, authenticator)
    return client.get("/account/profile").text


BAD_NAMES = ["", " ", "x" * 65, "a\nb", "a\u202eb"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_name_that_cannot_be_is_said_before_the_browser_asks(app, ada, name):
    answer = ada.send(OPTIONS, name=name)
    assert answer.status_code == 422
    assert set(answer.json) == {"name"}
    assert rows.count(app, PasskeyChallenge) == 0
    answer = ada.send(PASSKEYS, name=name)
    assert answer.status_code == 422
    assert "Error: " in answer.text


@pytest.fixture
def laptop(app, ada):
    """The address of Ada's passkey."""
    authenticator = add(ada)
    return authenticator, f"{PASSKEYS}/{kept(app)[0].public_id}"


def test_passkey_is_renamed(app, ada, laptop):
    _, address = laptop
    page = ada.page(address)
    for name in BAD_NAMES:
        assert ada.submit(page, address, name=name).status_code == 422
    assert ada.submit(page, address, name=" <b>Phone ").headers["Location"] == TAB
    assert "&lt;b&gt;Phone" in ada.get(TAB).text
    assert ("passkey.renamed", "Ada Park", "<b>Phone") in rows.acts(app)


def test_removed_passkey_signs_nobody_in(app, ada, laptop):
    authenticator, address = laptop
    page = ada.page(f"{address}/removal")
    assert "Remove Laptop?" in page.text
    assert ada.submit(page, f"{address}/removal").headers["Location"] == TAB
    assert "Laptop no longer signs you in." in ada.get(TAB).text
    assert sign_in(app.test_client(), authenticator).status_code == 422
    assert ada.submit(page, f"{address}/removal").status_code == 404
    assert [act for act in rows.acts(app) if act[0] == "passkey.removed"] == [
        ("passkey.removed", "Ada Park", "Laptop")
    ]


def test_somebody_elses_passkey_is_not_there(app, cast, laptop):
    _, address = laptop
    for person in (cast.ben, cast.charlie, cast.sam):
        stranger = person.sign_in(app.test_client())
        for path in (address, f"{address}/removal"):
            assert stranger.get(path).status_code == 404
            assert stranger.send(path, name="Mine").status_code == 404
    assert [one.name for one in kept(app)] == ["Laptop"]


@pytest.mark.parametrize("path", [OPTIONS, PASSKEYS, "{one}", "{one}/removal"])
def test_every_change_needs_a_recent_proof(app, cast, ada, laptop, path):
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    answer = ada.send(path.format(one=laptop[1]), name="Changed")
    assert answer.status_code == 403
    assert "Confirm that it is you" in answer.text
    assert [one.name for one in kept(app)] == ["Laptop"]


def test_passkey_is_a_proof_of_who_one_is(app, cast, ada, laptop):
    authenticator, address = laptop
    options = f"{PASSKEYS}/proof-options"
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    page = parse(ada.send(address, name="Phone").text)
    assert page.all("form")[-1]["data-options"] == options
    # Nobody else's proves it, and no challenge of the log-in page.
    ben = cast.ben.sign_in(app.test_client())
    bens = add(ben)
    for credential in (
        bens.get(ada.send(options).json),
        bens.get(ben.send(options).json),
        authenticator.get(ada.send(SIGN_IN_OPTIONS).json),
        "{}",
    ):
        assert ada.send(address, name="Phone", proof_credential=credential).status_code == 422
    answer = ada.send(address, name="Phone", proof_credential=authenticator.get(ada.send(options).json))
    assert (answer.status_code, answer.headers["Location"]) == (303, TAB)
    assert "Phone" in [one.name for one in kept(app)]


def test_site_at_an_address_names_it_and_the_name_of_this_machine():
    """Browsers create no passkeys at an address."""
    for origin, address, name in (
        ("http://127.0.0.1:5000", "127.0.0.1", "http://localhost:5000"),
        ("https://192.0.2.7", "192.0.2.7", ""),
        ("https://accounts.example.com", "", ""),
    ):
        site = Site.at(origin)
        assert (site.address, site.local_name) == (address, name)
