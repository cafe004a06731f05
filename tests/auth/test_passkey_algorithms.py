"""Passkeys use approved algorithms only (OWASP ASVS 5.0, 11.6.1)."""

import base64
import json

import cbor2
import pytest

from tests.helpers.authenticator import Authenticator, unpadded
from tests.helpers.passkeys import OPTIONS, PASSKEYS, stored_passkeys

# ES256, EdDSA, RS256 (RFC 9053, RFC 8812).
APPROVED = {-7, -8, -257}


def with_algorithm(credential, algorithm):
    """Return the credential with another algorithm in its key."""
    response = json.loads(credential)
    content = response["response"]["attestationObject"]
    attestation = cbor2.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    es256 = cbor2.dumps({1: 2, 3: -7})[1:]
    assert attestation["authData"].count(es256) == 1
    other = cbor2.dumps({1: 2, 3: algorithm})[1:]
    attestation["authData"] = attestation["authData"].replace(es256, other)
    response["response"]["attestationObject"] = unpadded(cbor2.dumps(attestation))
    return json.dumps(response)


def test_approved_algorithms_are_offered(cast, client):
    cast.ada.sign_in(client)
    offered = client.send(OPTIONS, name="Laptop").json["pubKeyCredParams"]
    assert {item["alg"] for item in offered} <= APPROVED


@pytest.mark.parametrize("algorithm", [-65535, -47, -7])
def test_passkey_of_another_algorithm_is_refused(app, cast, client, algorithm):
    """RSA with SHA-1 and ES256K are refused, ES256 is accepted."""
    cast.ada.sign_in(client)
    options = client.send(OPTIONS, name="Laptop").json
    credential = with_algorithm(Authenticator().create(options), algorithm)
    response = client.send(PASSKEYS, name="Laptop", credential=credential)
    assert (response.status_code, len(stored_passkeys(app))) == (
        (303, 1) if algorithm in APPROVED else (422, 0)
    )
