"""Invalid, forged and copied passkeys are refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from reflow_accounts.auth import passkeys
from reflow_accounts.auth.models import PasskeyChallenge
from reflow_accounts.auth.passkeys import Site
from reflow_accounts.database import db
from reflow_accounts.web import redirects
from tests.helpers import rows
from tests.helpers.authenticator import PRESENT, VERIFIED, Authenticator
from tests.helpers.passkeys import (
    OPTIONS,
    PASSKEYS,
    REFUSED,
    SIGN_IN,
    SIGN_IN_OPTIONS,
    add,
    sign_in,
    stored_passkeys,
)

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


INVALID = [
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


@pytest.mark.parametrize("credential", INVALID)
def test_invalid_credential_is_refused_with_a_message(app, ada, credential):
    credential = credential.encode("utf-8", "replace").decode()
    response = app.test_client().send(SIGN_IN, credential=credential)
    assert response.status_code == 422
    assert REFUSED in response.text
    response = ada.send(PASSKEYS, name="Laptop", credential=credential)
    assert response.status_code == 422
    assert "could not be added" in response.text
    assert stored_passkeys(app) == []


@pytest.mark.parametrize("part", ["id", "rawId", "type", "clientDataJSON", "authenticatorData", "signature"])
@pytest.mark.parametrize("value", [None, 5, "", "AAAA", "!", [], {}, "A" * 20_000])
def test_credential_with_an_invalid_part_cannot_sign_in(app, ada, part, value):
    authenticator = add(ada)
    other = app.test_client()
    credential = json.loads(authenticator.get(other.send(SIGN_IN_OPTIONS).json))
    (credential if part in credential else credential["response"])[part] = value
    response = other.send(SIGN_IN, credential=json.dumps(credential))
    assert response.status_code == 422
    assert REFUSED in response.text


@pytest.mark.parametrize("part", ["id", "rawId", "type", "clientDataJSON", "attestationObject"])
@pytest.mark.parametrize("value", [None, 5, "", "AAAA", "!", [], "o2Nm"])
def test_new_credential_with_an_invalid_part_is_not_added(app, ada, part, value):
    credential = json.loads(Authenticator().create(ada.send(OPTIONS, name="x").json))
    (credential if part in credential else credential["response"])[part] = value
    assert ada.send(PASSKEYS, name="x", credential=json.dumps(credential)).status_code == 422
    assert stored_passkeys(app) == []


@pytest.mark.parametrize(
    "attributes",
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
def test_wrong_origin_or_unverified_user_is_refused(app, ada, attributes):
    authenticator = add(ada)
    other_authenticator = Authenticator(**attributes)
    response = ada.send(
        PASSKEYS, name="x", credential=other_authenticator.create(ada.send(OPTIONS, name="x").json)
    )
    assert response.status_code == 422
    for name, value in attributes.items():
        setattr(authenticator, name, value)
    assert sign_in(app.test_client(), authenticator).status_code == 422


def test_passkey_of_another_domain_is_refused(app, ada):
    authenticator = add(ada)
    other = app.test_client()
    options = other.send(SIGN_IN_OPTIONS).json | {"rpId": "evil.example"}
    assert other.send(SIGN_IN, credential=authenticator.get(options)).status_code == 422


def test_signature_of_another_key_is_refused(app, ada):
    authenticator = add(ada)
    forged = Authenticator(credential_id=authenticator.credential_id)
    assert sign_in(app.test_client(), forged).status_code == 422


def test_challenge_is_valid_once(app, ada):
    authenticator = add(ada)
    other = app.test_client()
    credential = authenticator.get(other.send(SIGN_IN_OPTIONS).json)
    assert other.send(SIGN_IN, credential=credential).status_code == 303
    assert app.test_client().send(SIGN_IN, credential=credential).status_code == 422
    # A refused response uses up the challenge, too.
    authenticator.flags = PRESENT
    options = other.send(SIGN_IN_OPTIONS).json
    assert other.send(SIGN_IN, credential=authenticator.get(options)).status_code == 422
    authenticator.flags = PRESENT | VERIFIED
    assert other.send(SIGN_IN, credential=authenticator.get(options)).status_code == 422


def test_concurrent_uses_of_a_challenge_succeed_once(app, cast, ada):
    authenticator, site = add(ada), Site.at("http://localhost")
    credential = authenticator.get(app.test_client().send(SIGN_IN_OPTIONS).json)

    def verify(_number):
        with app.app_context():
            passkey = passkeys.verify(credential, site)
            db.session.commit()
            return passkey is not None

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(verify, range(8))) == [False] * 7 + [True]


def test_challenge_expires_after_ten_minutes_and_is_pruned(app, cast, client, clock):
    authenticator = add(cast.ada.sign_in(client))
    other = app.test_client()
    options = other.send(SIGN_IN_OPTIONS).json
    clock.shift(601)
    assert other.send(SIGN_IN, credential=authenticator.get(options)).status_code == 422
    assert rows.count(app, PasskeyChallenge) == 1
    other.send(SIGN_IN_OPTIONS)
    assert rows.count(app, PasskeyChallenge) == 1


def test_challenge_of_another_user_or_purpose_is_refused(app, cast, ada):
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
    assert len(stored_passkeys(app)) == 1


def test_counter_that_does_not_increase_is_refused(app, ada):
    authenticator = add(ada, count=5)
    authenticator.count = 6
    assert sign_in(app.test_client(), authenticator).status_code == 303
    for count in (6, 5, 0):
        authenticator.count = count
        assert sign_in(app.test_client(), authenticator).status_code == 422
    authenticator.count = 7
    assert sign_in(app.test_client(), authenticator).status_code == 303


@pytest.mark.parametrize(
    ("configured", "request_url", "domain", "origin"),
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
def test_site_is_the_configured_url_or_that_of_the_request(app, configured, request_url, domain, origin):
    settings = app.config["SETTINGS"]
    app.config["SETTINGS"] = replace(settings, base_url=configured)
    try:
        with app.test_request_context("/login", base_url=request_url):
            site = Site.at(redirects.origin())
    finally:
        app.config["SETTINGS"] = settings
    assert (site.domain, site.origin) == (domain, origin or request_url)
