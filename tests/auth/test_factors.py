"""A sign-in, and a proof after it, is written down with what proved it (OWASP ASVS 5.0, 16.3.1)."""

import pytest

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db
from tests.helpers import passkeys
from tests.helpers.authenticator_app import turn_on
from tests.helpers.mailbox import Mailbox
from tests.users.signing_up import PASSWORD, press, sign_up

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def proved(app):
    """`proved(act)`: by which factors, each time, oldest first."""

    def factors(act="session.created"):
        query = db.select(AuditEvent).where(AuditEvent.action == act).order_by(AuditEvent.id)
        with app.app_context():
            return [event.details["factors"] for event in db.session.scalars(query)]

    return factors


def test_password(cast, client, api, proved):
    cast.ada.sign_in(client)
    api().post("/sessions", {"email": cast.ada.email, "password": cast.ada.password})
    assert proved() == 2 * [["password"]]


@pytest.mark.parametrize("second", ["code", "recovery_code"])
def test_password_and_a_second_factor(cast, client, api, proved, second):
    phone = turn_on(cast.ada)
    first, other = (phone.code(), phone.code(1)) if second == "code" else phone.recovery_codes[:2]
    cast.ada.sign_in(client)
    assert proved() == []
    client.send("/login/code" if second == "code" else "/login/recovery-code", code=first)
    assert proved() == [["password", second]]
    api().post("/sessions", {"email": cast.ada.email, "password": cast.ada.password, "otp": other})
    assert proved() == 2 * [["password", second]]


def test_passkey(app, cast, client, proved):
    authenticator = passkeys.add(cast.ada.sign_in(client))
    passkeys.sign_in(app.test_client(), authenticator)
    assert proved()[1:] == [["passkey"]]


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_link_of_a_sign_up(app, client, proved, is_elsewhere):
    sign_up(client)
    mailbox = Mailbox(app)
    link = mailbox.link_in(mailbox.deliver()[0])
    if is_elsewhere:
        press(app.test_client(), link, password=PASSWORD)
    else:
        press(client, link)
    assert proved() == [["mailed_link", "password"] if is_elsewhere else ["mailed_link"]]


@pytest.mark.parametrize("factor", ["password", "code", "passkey"])
def test_proof_in_a_session(cast, client, proved, factor):
    authenticator = passkeys.add(cast.ada.sign_in(client))
    phone = turn_on(cast.ada)
    cast.ada.change_sessions(proven_at=None)
    options = client.send(f"{passkeys.PASSKEYS}/proof-options").json
    proofs = {
        "password": {"proof_password": cast.ada.password},
        "code": {"proof_code": phone.code()},
        "passkey": {"proof_credential": authenticator.get(options)},
    }
    assert client.send(passkeys.OPTIONS, name="Phone", **proofs[factor]).status_code == 200
    assert proved("session.confirmed") == [[factor]]
