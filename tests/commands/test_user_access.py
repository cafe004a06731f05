"""`flask users staff|disable|enable|end-sessions|reset-second-factor`."""

import pytest

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.auth.models import MailLink
from reflow_accounts.database import db, now
from reflow_accounts.users.models import User
from tests.commands.factors import KINDS, give_factors
from tests.helpers import rows
from tests.helpers.mailbox import Mailbox, html_of, text_of
from tests.helpers.page_client import PageClient

pytestmark = pytest.mark.postgresql_later

WHY = ("--reason", "ticket 12")
COMMANDS = {
    "staff": ("on",),
    "disable": (),
    "enable": (),
    "end-sessions": (),
    "reset-second-factor": (),
}


def reasons(app):
    with app.app_context():
        events = db.session.scalars(db.select(AuditEvent).order_by(AuditEvent.id))
        return [(event.action, event.actor_name, event.details.get("reason")) for event in events]


def test_disabled_user_is_out_at_once_and_stays_out(app, cast, api, client, flask):
    cast.ada.sign_in(client)
    key, session = cast.ada.key(), cast.ada.session()
    assert api(key.secret).get("/me").status_code == 200
    assert flask("users", "disable", cast.ada.email, *WHY) == (0, "Ada Park is now disabled.\n")
    assert client.get("/account/profile").headers["Location"].startswith("/login")
    for secret in (key.secret, session):
        for path in ("/me", "/keys"):
            assert api(secret).get(path).status_code == 401
    assert client.send("/login", email=cast.ada.email, password=cast.ada.password).status_code != 303
    assert ("user.disabled", "Operator", "ticket 12") in reasons(app)
    assert flask("users", "disable", cast.ada.email, *WHY) == (0, "Ada Park is already disabled.\n")
    assert [action for action, *_ in reasons(app)].count("user.disabled") == 1


def test_enabled_user_has_the_keys_again_and_no_old_session(app, cast, api, client, flask):
    cast.ada.sign_in(client)
    key, session = cast.ada.key(), cast.ada.session()
    flask("users", "disable", cast.ada.email, *WHY)
    assert flask("users", "enable", cast.ada.email, *WHY) == (0, "Ada Park is now enabled.\n")
    assert api(key.secret).get("/me").status_code == 200
    assert api(session).get("/me").status_code == 401
    assert client.get("/account/profile").status_code == 303
    cast.ada.sign_in(client)
    assert ("user.enabled", "Operator", "ticket 12") in reasons(app)
    assert flask("users", "enable", cast.ada.email, *WHY)[1] == "Ada Park is already enabled.\n"


def test_staff_who_is_disabled_is_said_to_be(cast, flask):
    flask("users", "disable", cast.ben.email, *WHY)
    hint = f"Ben Cole is disabled and cannot log in: `users enable {cast.ben.email} --reason …` allows it.\n"
    for now_or_already in ("now", "already"):
        code, words = flask("users", "staff", cast.ben.email, "on", *WHY)
        assert (code, words) == (0, f"Ben Cole is {now_or_already} support staff.\n{hint}")
    assert flask("users", "staff", cast.ben.email, "off", *WHY)[1] == "Ben Cole is now not support staff.\n"


def test_disabling_invalidates_mailed_links(app, cast, client, flask):
    mailbox = Mailbox(app)
    client.send("/forgot-password", email=cast.ada.email)
    [message] = mailbox.deliver()
    flask("users", "disable", cast.ada.email, *WHY)
    flask("users", "enable", cast.ada.email, *WHY)
    assert rows.count(app, MailLink) == 0
    assert "New password" not in client.get(mailbox.link_in(message)).text


def test_service_account_is_disabled_by_its_id(cast, api, flask):
    key = cast.ci.key()
    assert flask("users", "disable", cast.ci.id, *WHY)[0] == 0
    assert api(key.secret).get("/me").status_code == 401


def test_deleted_user_stays_deleted(app, cast, flask):
    cast.ada.change(deleted_at=now(), disabled_at=now(), email=None)
    code, words = flask("users", "enable", cast.ada.id, *WHY)
    assert (code, words) == (1, "reflow-accounts: This account was deleted. It cannot be used again.\n")
    assert flask("users", "staff", cast.ada.id, "on", *WHY)[0] == 1


def test_staff_opens_the_console_and_no_longer(app, cast, client, flask):
    cast.ada.sign_in(client)
    assert client.get("/support").status_code == 404
    assert flask("users", "staff", cast.ada.email, "on", *WHY) == (0, "Ada Park is now support staff.\n")
    assert client.get("/support").status_code == 200
    assert flask("users", "staff", cast.ada.email, "on", *WHY)[1] == "Ada Park is already support staff.\n"
    assert flask("users", "staff", cast.ada.email, "off", *WHY)[1] == "Ada Park is now not support staff.\n"
    assert client.get("/support").status_code == 404
    events = [event for event in reasons(app) if event[0].startswith("staff.")]
    assert events == [("staff.added", "Operator", "ticket 12"), ("staff.removed", "Operator", "ticket 12")]


def test_all_sessions_end_and_the_keys_go_on(app, cast, api, client, flask):
    other = PageClient(app, app.response_class)
    key, session = cast.ada.key(), cast.ada.session()
    for browser in (client, other):
        cast.ada.sign_in(browser)
    assert flask("users", "end-sessions", cast.ada.email, *WHY) == (0, "3 sessions of Ada Park ended.\n")
    for browser in (client, other):
        assert browser.get("/account/profile").status_code == 303
    assert api(session).get("/me").status_code == 401
    assert api(key.secret).get("/me").status_code == 200
    assert ("session.ended_elsewhere", "Operator", "ticket 12") in reasons(app)
    assert flask("users", "end-sessions", cast.ada.email, *WHY)[1] == "0 sessions of Ada Park ended.\n"


def test_second_factor_is_reset_whole_and_the_person_is_told(app, cast, client, flask):
    mailbox = Mailbox(app)
    give_factors(app, cast.ada)
    give_factors(app, cast.ben)
    code, words = flask("users", "reset-second-factor", cast.ada.email, *WHY)
    assert (code, words) == (0, "Ada Park now has no second factor.\n")
    assert [rows.count(app, kind) for kind in KINDS] == [1, 1, 1]
    with app.app_context():
        ada, ben = (db.session.get_one(User, person.number) for person in (cast.ada, cast.ben))
        assert (ada.totp_secret, ada.totp_on_at, ada.totp_step) == (None, None, None)
        assert ben.totp_on_at
    [message] = mailbox.deliver()
    assert (message["To"], message["Subject"]) == (cast.ada.email, "Your second factor was reset")
    for part in (text_of(message), html_of(message)):
        assert "your password alone signs you in" in part
    assert ("second_factor.reset", "Operator", "ticket 12") in reasons(app)
    cast.ada.sign_in(client)
    assert (
        flask("users", "reset-second-factor", cast.ada.email, *WHY)[1] == "Ada Park has no second factor.\n"
    )
    assert mailbox.deliver() == []


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("who", ["nobody@acme.example", "usr_x", "", "\x00"])
def test_unknown_user_is_an_error_that_says_so(cast, flask, command, who):
    code, words = flask("users", command, who, *COMMANDS[command], *WHY)
    assert code == 1
    assert words.startswith("reflow-accounts: No user has the email address or id")


@pytest.mark.parametrize("command", COMMANDS)
def test_reason_is_needed(app, cast, flask, command):
    before = reasons(app)
    assert flask("users", command, cast.ada.email, *COMMANDS[command])[0] == 2
    code, words = flask("users", command, cast.ada.email, *COMMANDS[command], "--reason", " ")
    assert (code, words) == (1, "reflow-accounts: Enter a reason.\n")
    assert reasons(app) == before


@pytest.mark.parametrize("command", ["staff", "end-sessions", "reset-second-factor"])
def test_service_account_is_no_person(cast, flask, command):
    code, words = flask("users", command, cast.ci.id, *COMMANDS[command], *WHY)
    assert (code, words) == (
        1,
        "reflow-accounts: acme-ci is a service account and cannot sign in.\n",
    )
