"""Passkeys sign by algorithms that are good today, and by no others (OWASP ASVS 5.0, 11.6.1)."""

import base64
import json

import cbor2
import pytest

from tests.helpers.authenticator import Authenticator, unpadded
from tests.helpers.passkeys import OPTIONS, PASSKEYS, kept

# ES256, EdDSA, RS256 (RFC 9053, RFC 8812).
GOOD = {-7, -8, -257}


def under(credential, algorithm):
    """Return the credential with a key that says to be of another algorithm."""
    answer = json.loads(credential)
    content = answer["response"]["attestationObject"]
    attestation = cbor2.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    es256 = cbor2.dumps({1: 2, 3: -7})[1:]
    assert attestation["authData"].count(es256) == 1
    other = cbor2.dumps({1: 2, 3: algorithm})[1:]
    attestation["authData"] = attestation["authData"].replace(es256, other)
    answer["response"]["attestationObject"] = unpadded(cbor2.dumps(attestation))
    return json.dumps(answer)


def test_only_good_algorithms_are_offered(cast, client):
    cast.ada.sign_in(client)
    offered = client.send(OPTIONS, name="Laptop").json["pubKeyCredParams"]
    assert {item["alg"] for item in offered} <= GOOD


@pytest.mark.parametrize("algorithm", [-65535, -47, -7])
def test_passkey_of_another_algorithm_is_not_kept(app, cast, client, algorithm):
    """RSA with SHA-1, ES256K; and ES256, which is kept."""
    cast.ada.sign_in(client)
    options = client.send(OPTIONS, name="Laptop").json
    credential = under(Authenticator().create(options), algorithm)
    answer = client.send(PASSKEYS, name="Laptop", credential=credential)
    assert (answer.status_code, len(kept(app))) == ((303, 1) if algorithm in GOOD else (422, 0))
