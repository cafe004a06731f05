"""Passkeys: adding, signing in, proving, renaming, removing; and everything that a browser might send instead."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from reflow_accounts.extensions import db, now
from reflow_accounts.identity import passkeys
from reflow_accounts.identity.models import Passkey, PasskeyChallenge
from reflow_accounts.identity.passkeys import Site
from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.web import addresses
from tests.helpers import rows
from tests.helpers.authenticator import PRESENT, VERIFIED, Authenticator, unpadded
from tests.helpers.authenticator_app import turn_on
from tests.helpers.html import parse

TAB = "/account/security"
PASSKEYS = f"{TAB}/passkeys"
OPTIONS = f"{PASSKEYS}/options"
SIGN_IN = "/login/passkey"
SIGN_IN_OPTIONS = f"{SIGN_IN}/options"
CANNOT = "This passkey cannot be used here"


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def add(client, name="Laptop", authenticator=None, **changes):
    """Add a passkey as the script does; return the authenticator."""
    authenticator = authenticator or Authenticator(**changes)
    options = client.send(OPTIONS, name=name).json
    answer = client.send(PASSKEYS, name=name, credential=authenticator.create(options))
    assert answer.status_code == 303, answer.text
    return authenticator


def sign_in(client, authenticator, path=SIGN_IN):
    """Sign in as the script does."""
    options = client.send(SIGN_IN_OPTIONS).json
    return client.send(path, credential=authenticator.get(options))


def kept(app):
    with app.app_context():
        return list(db.session.scalars(db.select(Passkey)))


def test_ada_adds_a_passkey_and_signs_in_without_a_password(app, cast, ada):
    authenticator = add(ada, "Ada’s laptop")
    row = ada.page(TAB).with_id("identity-passkeys").text
    assert "Ada’s laptop" in row
    assert "Never" in row
    other = app.test_client()
    answer = sign_in(other, authenticator, f"{SIGN_IN}?next=/account/activity")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/activity")
    assert "Ada Park" in other.get("/account/profile").text
    assert "Just now" in other.page(TAB).with_id("identity-passkeys").text
    assert ("passkey.added", "Ada Park", "Ada’s laptop") in rows.acts(app)
    with app.app_context():
        notices = [notice.data["sentence"] for notice in db.session.scalars(db.select(OutboxMessage))]
    assert notices == ["The passkey “Ada’s laptop” was added."]


def test_the_browser_is_asked_for_a_passkey_that_it_can_find_by_itself_and_that_knows_its_person(cast, ada):
    known = add(ada)
    options = ada.send(OPTIONS, name="Phone").json
    selection = options["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert options["rp"]["id"] == "localhost"
    assert [one["id"] for one in options["excludeCredentials"]] == [unpadded(known.credential_id)]
    assert options["user"]["name"] == cast.ada.email
    asked = ada.send(SIGN_IN_OPTIONS).json
    assert (asked["userVerification"], asked["allowCredentials"]) == ("required", [])


def test_a_passkey_counts_as_both_factors(app, cast, ada):
    authenticator = add(ada)
    turn_on(cast.ada)
    other = app.test_client()
    assert sign_in(other, authenticator).headers["Location"] == "/account/profile"
    assert other.get("/account/profile").status_code == 200


def test_the_log_in_page_has_the_button_and_its_script_alone(client):
    page = client.page("/login")
    form = page.with_id("identity-passkey-sign-in")
    assert "hidden" in form
    assert form.all("button")[0].text == "Sign in with a passkey"
    scripts = [script["src"].partition("?")[0] for script in page.all("script")]
    assert scripts == ["/static/js/passkeys.js"]


@pytest.mark.parametrize(
    "change", [{"disabled_at": now()}, {"deleted_at": now()}, {"kind": "service_account"}]
)
def test_who_may_not_sign_in_may_not_with_a_passkey_either(app, cast, ada, change):
    authenticator = add(ada)
    cast.ada.change(**change)
    answer = sign_in(app.test_client(), authenticator)
    assert answer.status_code == 422
    assert CANNOT in answer.text


GARBAGE = [
    "",
    "null",
    "[]",
    "{}",
    "5",
    '"x"',
    "{",
    '{"response": null}',
    '{"response": {"clientDataJSON": 5}, "rawId": "x"}',
    '{"response": {"clientDataJSON": "eyJ9"}, "rawId": "AAAA"}',
    '{"response": {"clientDataJSON": "bnVsbA"}, "rawId": "AAAA"}',
    '{"response": {"clientDataJSON": "é"}, "rawId": "AAAA"}',
    "[" * 20_000,
    '{"id": "' + "A" * 50_000 + '"}',
    '{"rawId": NaN}',
    "\ud83d",
]


@pytest.mark.parametrize("credential", GARBAGE)
def test_what_is_no_credential_is_refused_in_words(app, ada, credential):
    credential = credential.encode("utf-8", "replace").decode()
    answer = app.test_client().send(SIGN_IN, credential=credential)
    assert answer.status_code == 422
    assert CANNOT in answer.text
    answer = ada.send(PASSKEYS, name="Laptop", credential=credential)
    assert answer.status_code == 422
    assert "could not be added" in answer.text
    assert kept(app) == []


@pytest.mark.parametrize("part", ["id", "rawId", "type", "clientDataJSON", "authenticatorData", "signature"])
@pytest.mark.parametrize("value", [None, 5, "", "AAAA", "!", [], {}, "A" * 20_000])
def test_a_credential_with_one_strange_part_signs_nobody_in(app, ada, part, value):
    authenticator = add(ada)
    other = app.test_client()
    credential = json.loads(authenticator.get(other.send(SIGN_IN_OPTIONS).json))
    (credential if part in credential else credential["response"])[part] = value
    answer = other.send(SIGN_IN, credential=json.dumps(credential))
    assert answer.status_code == 422
    assert CANNOT in answer.text


@pytest.mark.parametrize("part", ["id", "rawId", "type", "clientDataJSON", "attestationObject"])
@pytest.mark.parametrize("value", [None, 5, "", "AAAA", "!", [], "o2Nm"])
def test_a_new_credential_with_one_strange_part_is_not_kept(app, ada, part, value):
    credential = json.loads(Authenticator().create(ada.send(OPTIONS, name="x").json))
    (credential if part in credential else credential["response"])[part] = value
    assert ada.send(PASSKEYS, name="x", credential=json.dumps(credential)).status_code == 422
    assert kept(app) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:81"},
        {"origin": "https://localhost"},
        {"origin": "http://localhost.evil.example"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"flags": 0},
    ],
)
def test_another_origin_and_an_unverified_person_count_for_nothing(app, ada, wrong):
    authenticator = add(ada)
    fresh = Authenticator(**wrong)
    answer = ada.send(PASSKEYS, name="x", credential=fresh.create(ada.send(OPTIONS, name="x").json))
    assert answer.status_code == 422
    for name, value in wrong.items():
        setattr(authenticator, name, value)
    assert sign_in(app.test_client(), authenticator).status_code == 422


def test_another_domains_passkey_counts_for_nothing(app, ada):
    authenticator = add(ada)
    other = app.test_client()
    options = other.send(SIGN_IN_OPTIONS).json | {"rpId": "evil.example"}
    assert other.send(SIGN_IN, credential=authenticator.get(options)).status_code == 422


def test_a_signature_of_another_key_counts_for_nothing(app, ada):
    authenticator = add(ada)
    forger = Authenticator(credential_id=authenticator.credential_id)
    assert sign_in(app.test_client(), forger).status_code == 422


def test_a_challenge_counts_once(app, ada):
    authenticator = add(ada)
    other = app.test_client()
    credential = authenticator.get(other.send(SIGN_IN_OPTIONS).json)
    assert other.send(SIGN_IN, credential=credential).status_code == 303
    assert app.test_client().send(SIGN_IN, credential=credential).status_code == 422
    # A wrong answer uses it up as well.
    authenticator.flags = PRESENT
    options = other.send(SIGN_IN_OPTIONS).json
    assert other.send(SIGN_IN, credential=authenticator.get(options)).status_code == 422
    authenticator.flags = PRESENT | VERIFIED
    assert other.send(SIGN_IN, credential=authenticator.get(options)).status_code == 422


def test_of_many_uses_of_a_challenge_at_once_one_counts(app, cast, ada):
    authenticator, site = add(ada), Site.at("http://localhost")
    credential = authenticator.get(app.test_client().send(SIGN_IN_OPTIONS).json)

    def use(_number):
        with app.app_context():
            found = passkeys.verify(credential, site)
            db.session.commit()
            return found is not None

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(use, range(8))) == [False] * 7 + [True]


def test_a_challenge_counts_ten_minutes_and_then_goes_away(app, cast, client, clock):
    authenticator = add(cast.ada.sign_in(client))
    other = app.test_client()
    options = other.send(SIGN_IN_OPTIONS).json
    clock.shift(601)
    assert other.send(SIGN_IN, credential=authenticator.get(options)).status_code == 422
    assert rows.count(app, PasskeyChallenge) == 1
    other.send(SIGN_IN_OPTIONS)
    assert rows.count(app, PasskeyChallenge) == 1


def test_nobody_uses_anothers_challenge(app, cast, ada):
    authenticator = add(ada)
    ben = cast.ben.sign_in(app.test_client())
    # Ben's new passkey with Ada's challenge, and Ada's sign-in with the challenge of a new passkey.
    options = ada.send(OPTIONS, name="x").json
    assert ben.send(PASSKEYS, name="x", credential=Authenticator().create(options)).status_code == 422
    options = ben.send(OPTIONS, name="x").json | {"rpId": "localhost"}
    assert app.test_client().send(SIGN_IN, credential=authenticator.get(options)).status_code == 422
    # A challenge of the log-in page makes no passkey.
    options = ada.send(OPTIONS, name="x").json | {"challenge": ada.send(SIGN_IN_OPTIONS).json["challenge"]}
    assert ada.send(PASSKEYS, name="x", credential=Authenticator().create(options)).status_code == 422
    assert len(kept(app)) == 1


def test_a_counter_that_goes_no_further_is_a_copy(app, ada):
    authenticator = add(ada, count=5)
    authenticator.count = 6
    assert sign_in(app.test_client(), authenticator).status_code == 303
    for count in (6, 5, 0):
        authenticator.count = count
        assert sign_in(app.test_client(), authenticator).status_code == 422
    authenticator.count = 7
    assert sign_in(app.test_client(), authenticator).status_code == 303


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
def test_a_name_that_cannot_be_is_said_before_the_browser_asks(app, ada, name):
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


def test_a_passkey_is_renamed(app, ada, laptop):
    _, address = laptop
    page = ada.page(address)
    for name in BAD_NAMES:
        assert ada.submit(page, address, name=name).status_code == 422
    assert ada.submit(page, address, name=" <b>Phone ").headers["Location"] == TAB
    assert "&lt;b&gt;Phone" in ada.get(TAB).text
    assert ("passkey.renamed", "Ada Park", "<b>Phone") in rows.acts(app)


def test_a_removed_passkey_signs_nobody_in(app, ada, laptop):
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


def test_a_passkey_is_a_proof_of_who_one_is(app, cast, ada, laptop):
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


@pytest.mark.parametrize(
    ("configured", "asked_at", "domain", "origin"),
    [
        ("https://Accounts.Example.com", "https://accounts.example.com", "accounts.example.com", None),
        (
            "https://accounts.example.com:443",
            "https://x.example",
            "accounts.example.com",
            "https://accounts.example.com",
        ),
        ("http://localhost:5000", "http://localhost:5000", "localhost", None),
        ("", "http://localhost:5001", "localhost", None),
    ],
)
def test_the_site_is_what_is_configured_else_what_is_asked(app, configured, asked_at, domain, origin):
    usual = app.config["SETTINGS"]
    app.config["SETTINGS"] = replace(usual, base_url=configured)
    try:
        with app.test_request_context("/login", base_url=asked_at):
            site = Site.at(addresses.origin())
    finally:
        app.config["SETTINGS"] = usual
    assert (site.domain, site.origin) == (domain, origin or asked_at)
