"""Each field that takes a password or code which could be guessed is limited, and wrong values are audited."""

import importlib
import pkgutil

import pytest
from wtforms import PasswordField

import reflow_accounts
from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.auth.schemas import SignIn
from reflow_accounts.database import db
from reflow_accounts.web.openapi import Schema
from reflow_accounts.web.request_input import Form
from tests.helpers.authenticator_app import turn_on
from tests.helpers.mailbox import Mailbox

pytestmark = pytest.mark.postgresql_later

ALLOWED = 10
WRONG = "000000"
NEW_PASSWORD = "a kettle on the moon"  # pragma: allowlist secret
# Fields for a new password, where nothing can be guessed.
FIELDS_OF_NEW_PASSWORDS = {
    "SignUpForm.password",
    "ResetForm.new_password",
    "ChangePasswordForm.new_password",
    "NewMemberForm.password",
}


class AttemptFactory:
    """Each method prepares a page and returns a function that sends a wrong value."""

    def __init__(self, cast, client, api, app):
        self.cast, self.client, self.api, self.app = cast, client, api, app

    def login(self):
        return lambda: self.client.send("/login", email=self.cast.ada.email, password=WRONG)

    def second_step(self, path):
        turn_on(self.cast.ada)
        self.client.send("/login", email=self.cast.ada.email, password=self.cast.ada.password)
        return lambda: self.client.send(path, code=WRONG)

    def proof(self, field):
        authenticator = turn_on(self.cast.ada)
        self.client.send("/login", email=self.cast.ada.email, password=self.cast.ada.password)
        self.client.send("/login/code", code=authenticator.code())
        self.cast.ada.change_sessions(proven_at=None)
        return lambda: self.client.send("/account/api-keys", name="CI", **{field: WRONG})

    def second_factor_removal(self):
        authenticator = turn_on(self.cast.ada)
        self.client.send("/login", email=self.cast.ada.email, password=self.cast.ada.password)
        self.client.send("/login/code", code=authenticator.code())
        return lambda: self.client.send("/account/security/second-factor/removal", proof_password=WRONG)

    def second_factor_setup(self):
        self.cast.ada.sign_in(self.client)
        page = self.client.page("/account/security/second-factor/new")
        return lambda: self.client.submit(page, "/account/security/second-factor", code=WRONG)

    def password_change(self):
        self.cast.ada.sign_in(self.client)
        fields = {"current_password": WRONG, "new_password": NEW_PASSWORD}
        return lambda: self.client.send("/account/security/password", **fields)

    def deletion(self):
        self.cast.ben.sign_in(self.client)
        return lambda: self.client.send("/account/profile/deletion", password=WRONG)

    def mailed_link(self):
        fields = {"full_name": "Eve Moss", "email": "eve@example.com", "team_name": "Moss"}
        self.client.send("/signup", **fields, password=NEW_PASSWORD)
        mailbox = Mailbox(self.app)
        [mail] = mailbox.deliver()
        other_browser = self.app.test_client()
        return lambda: other_browser.send(mailbox.link_in(mail), password=WRONG)

    def device_code(self):
        self.cast.ada.sign_in(self.client)
        return lambda: self.client.send("/device", code="BCDF-GHJK")

    def command(self):
        return lambda: self.api().post("/sessions", {"email": self.cast.ada.email, "password": WRONG})

    def command_code(self):
        turn_on(self.cast.ada)
        fields = {"email": self.cast.ada.email, "password": self.cast.ada.password, "otp": WRONG}
        return lambda: self.api().post("/sessions", fields)


CASES = {
    "LoginForm.password": [AttemptFactory.login],
    "CodeForm.code": [lambda case: case.second_step("/login/code")],
    "RecoveryCodeForm.code": [lambda case: case.second_step("/login/recovery-code")],
    "SetupForm.code": [AttemptFactory.second_factor_setup],
    "ProofForm.proof_password": [
        lambda case: case.proof("proof_password"),
        AttemptFactory.second_factor_removal,
    ],
    "ProofForm.proof_code": [lambda case: case.proof("proof_code")],
    "ChangePasswordForm.current_password": [AttemptFactory.password_change],
    "PasswordForm.password": [AttemptFactory.deletion, AttemptFactory.mailed_link],
    "DeviceCodeForm.code": [AttemptFactory.device_code],
    "SignIn.password": [AttemptFactory.command],
    "SignIn.otp": [AttemptFactory.command_code],
}


def secret_fields(app):
    """Return the names of all fields of forms and API schemas that take a password or a code."""
    for module in pkgutil.walk_packages(reflow_accounts.__path__, "reflow_accounts."):
        if module.name.endswith((".forms", ".schemas")):
            importlib.import_module(module.name)
    fields = set()
    with app.test_request_context():
        for form in subclasses(Form):
            fields |= {
                f"{form.__name__}.{field.name}"
                for field in form(formdata=None)
                if isinstance(field, PasswordField) or "code" in field.name
            }
    for schema in subclasses(Schema):
        fields |= {
            f"{schema.__name__}.{name}"
            for name in schema().load_fields
            if name == "otp" or "password" in name
        }
    return fields


def subclasses(parent):
    classes = set(parent.__subclasses__())
    return classes.union(*map(subclasses, classes)) if classes else classes


def count_refusals(app):
    with app.app_context():
        refused = AuditEvent.action.like("%refused")
        return db.session.scalar(db.select(db.func.count()).select_from(AuditEvent).where(refused))


def test_every_secret_field_is_in_the_table(app):
    assert secret_fields(app) - FIELDS_OF_NEW_PASSWORDS == set(CASES)
    assert "password" in SignIn().load_fields


@pytest.mark.parametrize(
    "prepare", [prepare for cases in CASES.values() for prepare in cases], ids=lambda case: case.__name__
)
def test_wrong_values_are_limited_and_audited(cast, client, api, app, prepare):
    attempt = prepare(AttemptFactory(cast, client, api, app))
    before = count_refusals(app)
    statuses = [attempt().status_code for _ in range(ALLOWED)]
    assert set(statuses) <= {401, 422}, statuses
    assert count_refusals(app) - before == ALLOWED
    response = attempt()
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
    assert count_refusals(app) - before == ALLOWED
