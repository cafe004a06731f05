"""Sign-ins and later proofs are recorded with the factors used (OWASP ASVS 5.0, 16.3.1)."""

import pytest

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db
from tests.helpers import passkeys
from tests.helpers.authenticator_app import turn_on
from tests.helpers.mailbox import Mailbox
from tests.users.signing_up import PASSWORD, confirm, sign_up

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def recorded_factors(app):
    """`recorded_factors(action)`: the factors of each event, oldest first."""

    def factors(action="session.created"):
        query = db.select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
        with app.app_context():
            return [event.details["factors"] for event in db.session.scalars(query)]

    return factors


def test_password_is_recorded(cast, client, api, recorded_factors):
    cast.ada.log_in(client)
    api().post("/sessions", {"email": cast.ada.email, "password": cast.ada.password})
    assert recorded_factors() == 2 * [["password"]]


@pytest.mark.parametrize("second", ["code", "recovery_code"])
def test_password_and_second_factor_are_recorded(cast, client, api, recorded_factors, second):
    phone = turn_on(cast.ada)
    first, other = (phone.code(), phone.code(1)) if second == "code" else phone.recovery_codes[:2]
    cast.ada.log_in(client)
    assert recorded_factors() == []
    client.send("/login/code" if second == "code" else "/login/recovery-code", code=first)
    assert recorded_factors() == [["password", second]]
    api().post("/sessions", {"email": cast.ada.email, "password": cast.ada.password, "otp": other})
    assert recorded_factors() == 2 * [["password", second]]


def test_passkey_is_recorded(app, cast, client, recorded_factors):
    authenticator = passkeys.add(cast.ada.log_in(client))
    passkeys.sign_in(app.test_client(), authenticator)
    assert recorded_factors()[1:] == [["passkey"]]


@pytest.mark.parametrize("in_other_browser", [False, True])
def test_link_of_a_sign_up_is_recorded(app, client, recorded_factors, in_other_browser):
    sign_up(client)
    mailbox = Mailbox(app)
    link = mailbox.link_in(mailbox.deliver()[0])
    if in_other_browser:
        confirm(app.test_client(), link, password=PASSWORD)
    else:
        confirm(client, link)
    assert recorded_factors() == [["mailed_link", "password"] if in_other_browser else ["mailed_link"]]


@pytest.mark.parametrize("factor", ["password", "code", "passkey"])
def test_factor_of_a_proof_is_recorded(cast, client, recorded_factors, factor):
    authenticator = passkeys.add(cast.ada.log_in(client))
    phone = turn_on(cast.ada)
    cast.ada.change_sessions(proven_at=None)
    options = client.send(f"{passkeys.PASSKEYS}/proof-options").json
    proofs = {
        "password": {"proof_password": cast.ada.password},
        "code": {"proof_code": phone.code()},
        "passkey": {"proof_credential": authenticator.get(options)},
    }
    assert client.send(passkeys.OPTIONS, name="Phone", **proofs[factor]).status_code == 200
    assert recorded_factors("session.confirmed") == [[factor]]
