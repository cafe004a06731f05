"""`flask users create` and `flask users list`."""

import subprocess
import sys

import pytest

from reflow_accounts.auth.login import find_by_email
from reflow_accounts.users.models import User
from tests.cli.terminal import CHECKOUT, Terminal
from tests.commands.factors import give_factors
from tests.helpers import databases, rows
from tests.helpers.live_server import SECRET_KEY
from tests.helpers.mailbox import Mailbox

pytestmark = pytest.mark.postgresql_later

PASSWORD = "eleven quiet herons"  # pragma: allowlist secret
NEW = ("users", "create", "Eve@New.example", "--name", "Eve  Lang")


def user(app, email: str = "eve@new.example"):
    with app.app_context():
        return find_by_email(email)


def sign_in(client, password: str, email: str = "eve@new.example") -> int:
    return client.send("/login", email=email, password=password).status_code


def test_person_is_made_with_a_password_from_standard_input(app, flask, client):
    code, words = flask(*NEW, "--password-stdin", input=f"{PASSWORD}\n")
    assert (code, words) == (0, f"Eve Lang was created ({user(app).public_id}).\n")
    assert not user(app).is_staff
    assert rows.audit_events(app) == [("account.created", "Operator", "Eve Lang")]
    assert sign_in(client, PASSWORD) == 303


def test_password_counts_exactly_as_it_was_given(flask, client):
    flask(*NEW, "--password-stdin", input=f"  {PASSWORD} \nmore\n")
    assert sign_in(client, PASSWORD) != 303
    assert sign_in(client, f"  {PASSWORD} ") == 303


def test_staff_is_made_and_recorded(app, flask):
    assert flask(*NEW, "--staff", "--password-stdin", input=PASSWORD)[0] == 0
    assert user(app).is_staff
    assert [action for action, *_ in rows.audit_events(app)] == ["account.created", "staff.added"]


@pytest.mark.parametrize("more", [(), ("--mail-link",)])
def test_link_is_mailed_without_a_terminal(app, flask, client, more):
    mailbox = Mailbox(app)
    code, words = flask(*NEW, *more)
    assert code == 0
    assert "A link to choose a password is mailed to eve@new.example. It works for an hour." in words
    assert "REFLOW_MAIL_URL is not set: mail is written to .eml files" in words
    assert sign_in(client, "") != 303
    [message] = mailbox.deliver()
    assert message["To"] == "eve@new.example"
    page = client.page(mailbox.link_in(message))
    response = client.submit(page, page["address"], new_password=PASSWORD)
    assert response.status_code in (200, 303)
    assert sign_in(client, PASSWORD) == 303


def test_link_is_mailed_by_a_server(another):
    app = another(mail_url="smtp://localhost:2525")
    with app.app_context():
        done = app.test_cli_runner().invoke(args=[*NEW, "--mail-link"])
    assert (done.exit_code, ".eml" in done.output) == (0, False), done.output


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "Enter a password"),
        ("short", "Use at least 12 characters"),
        ("x" * 1025, "Use at most 1,024 characters"),
        ("evelangevelang", "made of your name"),
        ("passwordpassword", "one of the first"),
    ],
)
def test_bad_password_is_refused_with_the_reason(app, flask, password, sentence):
    code, words = flask(*NEW, "--password-stdin", input=f"{password}\n")
    assert code == 1
    assert words.startswith("reflow-accounts: ")
    assert sentence in words
    assert password not in words or not password
    assert user(app) is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("users", "create", "eve", "--name", "Eve"), "Enter an email address"),
        (("users", "create", "eve@new.example", "--name", " "), "Enter your full name"),
        (("users", "create", "ADA@acme.example", "--name", "Ada"), "has an account already"),
    ],
)
def test_bad_arguments_create_nothing(app, cast, flask, words, sentence):
    before = rows.count(app, User)
    code, said = flask(*words, "--password-stdin", input=PASSWORD)
    assert code == 1
    assert sentence in said
    assert rows.count(app, User) == before


def test_password_is_no_argument_and_comes_one_way_alone(flask):
    assert flask(*NEW, "--password", PASSWORD)[0] == 2
    assert flask(*NEW, "--password-stdin", "--mail-link", input=PASSWORD)[0] == 2
    assert flask("users", "create", "eve@new.example")[0] == 2


def test_password_that_is_not_utf8_is_refused_in_every_locale(tmp_path):
    app = databases.application(str(tmp_path), f"sqlite:///{tmp_path / 'reflow.db'}")
    databases.migrate(app)
    done = subprocess.run(
        [sys.executable, "-m", "reflow_accounts", *NEW, "--password-stdin"],
        input="elf grüne Reiher am See".encode("latin-1"),
        env={
            "LC_ALL": "C",
            "PYTHONPATH": str(CHECKOUT),
            "REFLOW_INSTANCE": str(tmp_path),
            "REFLOW_SECRET_KEY": SECRET_KEY,
        },
        capture_output=True,
        check=False,
    )
    assert done.stderr == b"reflow-accounts: the input is not valid text. Write it in UTF-8.\n"
    assert (done.returncode, user(app)) == (1, None)
    databases.close(app)


def test_on_a_terminal_the_password_is_asked_for_twice_and_not_shown(tmp_path):
    app = databases.application(str(tmp_path), f"sqlite:///{tmp_path / 'reflow.db'}")
    databases.migrate(app)
    terminal = Terminal(tmp_path, CHECKOUT, (sys.executable, "-m", "flask", "--app", "wsgi"))
    terminal.environ |= {
        "REFLOW_INSTANCE": str(tmp_path),
        "REFLOW_SECRET_KEY": SECRET_KEY,
        "REFLOW_PASSWORD_ROUNDS": "4",
    }
    twice = (
        ("Password:", PASSWORD),
        ("Repeat the password:", "a slip of the finger"),
        ("Password:", PASSWORD),
    )
    done = terminal.run_interactively(*NEW, answers=(*twice, ("Repeat the password:", PASSWORD)))
    assert done.code == 0, done.stdout
    assert "do not match" in done.stdout
    assert "Eve Lang was created" in done.stdout
    assert PASSWORD not in done.stdout
    client = app.test_client()
    assert sign_in(client, PASSWORD) == 303
    listed = terminal.run_interactively("users", "list")
    assert "SECOND FACTOR" in listed.stdout
    assert "eve@new.example" in listed.stdout
    assert "\t" not in listed.stdout
    databases.close(app)


def test_list_has_a_line_for_everybody_with_tabs_between(app, cast, flask, client):
    cast.ada.sign_in(client)
    give_factors(app, cast.ada)
    flask("users", "disable", cast.ben.email, "--reason", "left")
    code, words = flask("users", "list")
    lines = [line.split("\t") for line in words.splitlines()]
    assert code == 0
    assert len(lines) == rows.count(app, User)
    ada, ben, vic = lines[:3]
    assert ada[:6] == [cast.ada.id, cast.ada.email, "Ada Park", "-", "-", "totp+passkey"]
    assert ada[6].endswith("Z")
    assert ben == [cast.ben.id, cast.ben.email, "Ben Cole", "-", "disabled", "-", "-"]
    assert vic[6] == "-"
    by_id = {line[0]: line for line in lines}
    assert by_id[cast.sam.id][3] == "staff"
    assert by_id[cast.ci.id][1:3] == ["-", "acme-ci"]
