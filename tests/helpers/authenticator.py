"""A software passkey authenticator, which can also produce invalid responses."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@dataclass
class Authenticator:
    """One passkey. Tests may set `flags`, `origin` and `count` to invalid values."""

    origin: str = "http://localhost"
    flags: int = PRESENT | VERIFIED
    count: int = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))

    def create(self, options: dict[str, Any]) -> str:
        """Return the JSON that a browser sends for a new passkey."""
        numbers = self.key.public_key().public_numbers()
        point = {-2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        public_key = cbor2.dumps({1: 2, 3: -7, -1: 1} | point)
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + public_key
        data = self._data(options["rp"]["id"], self.flags | ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        signed = self._client_data("webauthn.create", options["challenge"])
        return self._answer(clientDataJSON=unpadded(signed), attestationObject=unpadded(attestation))

    def get(self, options: dict[str, Any], user_id: str = "") -> str:
        """Return the JSON that a browser sends to sign in with the passkey."""
        data = self._data(options["rpId"], self.flags)
        signed = self._client_data("webauthn.get", options["challenge"])
        signature = self.key.sign(data + hashlib.sha256(signed).digest(), ECDSA(SHA256()))
        return self._answer(
            clientDataJSON=unpadded(signed),
            authenticatorData=unpadded(data),
            signature=unpadded(signature),
            userHandle=unpadded(user_id.encode()),
        )

    def _data(self, domain: str, flags: int) -> bytes:
        return hashlib.sha256(domain.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, **response: str) -> str:
        name = unpadded(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
