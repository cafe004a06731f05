"""Adds a passkey and signs in with it, as the script of the pages does."""

from secrets import token_bytes
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from reflow_accounts.auth.models import Passkey
from reflow_accounts.database import db
from tests.factories import Person
from tests.helpers.authenticator import Authenticator
from tests.helpers.page_client import PageClient

TAB = "/account/security"
PASSKEYS = f"{TAB}/passkeys"
OPTIONS = f"{PASSKEYS}/options"
SIGN_IN = "/login/passkey"
SIGN_IN_OPTIONS = f"{SIGN_IN}/options"
REFUSED = "This passkey cannot be used here"


def add(client: PageClient, name: str = "Laptop", **changes: Any) -> Authenticator:
    """Add a passkey for the signed-in person; return its authenticator."""
    authenticator = Authenticator(**changes)
    options = client.send(OPTIONS, name=name).json
    response = client.send(PASSKEYS, name=name, credential=authenticator.create(options))
    assert response.status_code == 303, response.text
    return authenticator


def sign_in(client: PageClient, authenticator: Authenticator, path: str = SIGN_IN) -> TestResponse:
    """Sign in with a passkey; return the response."""
    options = client.send(SIGN_IN_OPTIONS).json
    return client.send(path, credential=authenticator.get(options))


def stored_passkeys(app: Flask) -> list[Passkey]:
    """List the passkeys in the database."""
    with app.app_context():
        return list(db.session.scalars(db.select(Passkey)))


def add_by_hand(person: Person, name: str = "Laptop") -> None:
    """Add a passkey without a valid key to the database."""
    row = Passkey(
        user_id=person.number, name=name, credential_id=token_bytes(8), public_key=b"x", sign_count=0
    )
    with person.app.app_context():
        db.session.add(row)
        db.session.commit()
