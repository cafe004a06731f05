"""Log lines about sign-ins, sensitive actions and refusals contain public ids only (OWASP ASVS 5.0, 16.3)."""

import io
import json
import logging
import re

import pytest

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.database import db
from reflow_accounts.web.request_logging import JsonLines
from tests.helpers.api import problem_of
from tests.helpers.mailbox import Mailbox

pytestmark = pytest.mark.postgresql_later

WRONG_PASSWORD = "a wrong guess of hers"  # pragma: allowlist secret
NEW_PASSWORD = "a kettle on the moon"  # pragma: allowlist secret
FIELDS_OF_REFUSALS = ("status", "method", "path", "code", "person")


class CapturedLog:
    """The lines written during a test."""

    def __init__(self, stream):
        self._stream = stream

    @property
    def text(self):
        return self._stream.getvalue()

    @property
    def lines(self):
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def audit_lines(self):
        """The audit lines, as (action, by, account)."""
        entries = [line for line in self.lines if line["logger"].startswith("reflow_accounts.audit")]
        return [(line["message"], line.get("by"), line.get("account")) for line in entries]

    @property
    def sign_ins(self):
        """The lines of sign-ins, as (kind, factors)."""
        return [
            (line["kind"], line["factors"]) for line in self.lines if line["message"] == "session.created"
        ]

    @property
    def refusals(self):
        entries = [line for line in self.lines if line["message"] == "refused"]
        return [{name: line[name] for name in FIELDS_OF_REFUSALS if name in line} for line in entries]


@pytest.fixture
def log(app, cast):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("reflow_accounts")
    logger.addHandler(handler)
    yield CapturedLog(stream)
    logger.removeHandler(handler)


def test_sign_in_and_sign_out_are_logged(cast, client, log):
    ada = cast.ada.id
    client.send("/login", email=cast.ada.email, password=WRONG_PASSWORD)
    client.send("/login", email="nobody@acme.example", password=WRONG_PASSWORD)
    cast.ada.log_in(client)
    client.send("/logout")
    assert log.audit_lines == [
        ("session.refused", None, ada),
        ("session.refused", None, None),
        ("session.created", ada, ada),
        ("session.ended", ada, ada),
    ]
    assert log.sign_ins == [("browser", ["password"])]


def test_cli_sign_in_is_logged(cast, api, log):
    api().post("/sessions", {"email": cast.ada.email, "password": WRONG_PASSWORD})
    api().post("/sessions", {"email": cast.ada.email, "password": cast.ada.password})
    assert [action for action, *_ in log.audit_lines] == ["session.refused", "session.created"]
    assert log.sign_ins == [("command", ["password"])]


def test_key_and_support_actions_are_logged(cast, client, api, log):
    ada = api(cast.ada.session())
    key = ada.post("/keys", {"name": "CI"}).json["id"]
    ada.delete(f"/keys/{key}")
    assert log.audit_lines == [
        ("api_key.created", cast.ada.id, cast.ada.id),
        ("api_key.revoked",) + 2 * (cast.ada.id,),
    ]
    assert {line.get("key") for line in log.lines} == {key}
    cast.sam.log_in(client)
    client.get(f"/support/teams/{cast.solo.id}")
    assert (log.audit_lines[-1], log.lines[-1]["team"]) == (
        ("support.team_viewed", cast.sam.id, None),
        cast.solo.id,
    )


def test_access_to_objects_of_others_is_logged(cast, client, api, log):
    key, unpaid_key = cast.ada.key("CI"), cast.ben.key()
    cast.charlie.log_in(client)
    client.get(f"/account/api-keys/{key.id}/revocation")
    client.get("/support")
    api(cast.charlie.session()).delete(f"/keys/{key.id}")
    cast.acme.unsubscribe()
    api(unpaid_key.secret).get("/me")
    charlie, path = cast.charlie.id, f"/account/api-keys/{key.id}/revocation"
    assert log.refusals == [
        {"status": 404, "method": "GET", "path": path, "person": charlie},
        {"status": 404, "method": "GET", "path": "/support", "person": charlie},
        {
            "status": 404,
            "method": "DELETE",
            "path": f"/api/v1/keys/{key.id}",
            "code": "not_found",
            "person": charlie,
        },
        {"status": 403, "method": "GET", "path": "/api/v1/me", "code": "subscription_inactive"},
    ]


def test_missing_rights_are_logged(cast, client, log):
    from reflow_accounts.teams.models import Rights

    cast.acme.add(cast.sam, Rights.VIEW)
    cast.sam.log_in(client)
    client.send(f"/support/teams/{cast.acme.id}/subscription", active="false", reason="x", seen="1")
    assert [(entry["status"], entry["person"]) for entry in log.refusals] == [(403, cast.sam.id)]


def test_bypass_attempts_are_logged(cast, client, api, log):
    """A cross-site form, a foreign host, NUL, unknown fields, a malformed key, too many guesses."""
    client.post("/login", data={"email": cast.ada.email, "password": WRONG_PASSWORD})
    client.get("/login", headers={"Host": "evil.example"})
    client.get("/login?next=%00")
    api(cast.ada.session()).post("/keys", {"name": "x", "is_admin": True})
    api("rfk_nonsense").get("/me")
    for _ in range(11):
        client.send("/login", email=cast.ada.email, password=WRONG_PASSWORD)
    entries = [(entry["status"], entry.get("code")) for entry in log.refusals]
    assert entries[:5] == [
        (400, None),
        (400, None),
        (400, None),
        (422, "validation_failed"),
        (401, "malformed_key"),
    ]
    assert entries[5:] == 10 * [(422, None)] + [(429, None)]


def test_log_contains_no_protected_data(app, cast, client, api, log):
    """No names, addresses, input or secrets, not even secrets in URLs."""
    program = api(cast.ada.session())
    secret = program.post("/keys", {"name": "Ada's laptop"}).json["secret"]
    program.get(f"/keys/{secret}")
    program.get("/keys", query_string={"key": secret})
    client.send("/login", email=cast.ada.email, password=WRONG_PASSWORD)
    client.submit(client.page("/forgot-password"), "/forgot-password", email=cast.ada.email)
    mailbox = Mailbox(app)
    link = mailbox.link_in(mailbox.deliver()[0])
    client.post(link, data={"new_password": WRONG_PASSWORD})
    client.get(f"{link}/")
    client.submit(client.page(link), link, new_password=NEW_PASSWORD)
    client.send(link, new_password=NEW_PASSWORD)
    assert {"session.refused", "api_key.created", "password.reset"} <= {
        action for action, *_ in log.audit_lines
    }
    assert len(log.refusals) >= 5
    token = link.rpartition("/")[2]
    secrets = [secret, secret[:12], token, token.partition(".")[2], cast.ada.email, cast.ada.full_name]
    for value in [
        *secrets,
        "laptop",
        WRONG_PASSWORD,
        "kettle",
        "127.0.0.1",
        program.headers["Authorization"][7:],
    ]:
        assert value not in log.text, value


def test_lines_of_a_request_share_its_id(cast, client, log):
    client.send("/login", email=cast.ada.email, password=WRONG_PASSWORD)
    client.get("/nothing")
    refused_sign_in, refused, other = log.lines
    assert re.fullmatch("req_[0-9a-f]{12}", refused["request"])
    assert refused_sign_in["request"] == refused["request"] != other["request"]


@pytest.mark.parametrize("ending", ["rollback", "commit"])
def test_actions_are_logged_once_and_only_after_the_commit(app, cast, log, ending):
    with app.test_request_context("/"):
        ada = cast.ada.row()
        record(Action.PASSWORD_CHANGED, by=ada, account=ada)
        with db.session.begin_nested():
            record(Action.CONFIRMED, by=ada, account=ada)
        assert log.audit_lines == []
        getattr(db.session, ending)()
        db.session.commit()
    entries = ["password.changed", "session.confirmed"] if ending == "commit" else []
    assert [action for action, *_ in log.audit_lines] == entries


def test_actions_of_operators_are_not_logged(cast, flask, log):
    code, _ = flask("users", "disable", cast.ada.email, "--reason", "left")
    assert (code, log.text) == (0, "")


def test_successful_requests_are_not_logged(cast, client, log):
    client.get("/login")
    client.get("/account/profile")
    problem_of(client.get("/api/v1/me"), 401, "missing_credentials")
    assert [line["message"] for line in log.lines] == ["refused"]
