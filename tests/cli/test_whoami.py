"""`reflow whoami` at the real server."""

import json

import pytest

from tests.cli.account import unused_name
from tests.cli.folders import key_file, login
from tests.cli.secrets_for_tests import made_up_key


def test_key_is_shown_with_owner_and_source(keyed_terminal):
    outcome = keyed_terminal.run("whoami")

    assert outcome.code == 0, outcome.stderr
    lines = dict(line.split("\t") for line in outcome.stdout.splitlines())
    assert lines["Name"] == "Ada Park"
    assert lines["Email"] == "ada@acme.example"
    assert lines["Team"] == "Acme, admin, subscription active"
    assert lines["Credential"] == "the key in REFLOW_API_KEY (environment variable)"
    assert lines["Key name"] == keyed_terminal.key["name"]
    assert lines["Key ends in"] == keyed_terminal.key["secret"][-4:]
    assert outcome.stderr == ""


def test_json_is_the_answer_of_the_api(keyed_terminal, ada):
    outcome = keyed_terminal.run("--json", "whoami")

    answer = json.loads(outcome.stdout)
    assert answer["user"] == ada.ask("GET", "/me")[1]["user"]
    assert answer["authenticated_by"]["id"] == keyed_terminal.key["id"]
    assert keyed_terminal.run("whoami", "--json").stdout == outcome.stdout


def test_revoked_key_is_refused_at_once(keyed_terminal, ada):
    path = key_file(keyed_terminal.folder / "my.key", keyed_terminal.key["secret"])
    assert keyed_terminal.run("-k", "my.key", "whoami").code == 0
    ada.revoke(keyed_terminal.key)

    outcome = keyed_terminal.run("-k", "my.key", "whoami")

    assert outcome.code == 4
    assert (
        f"reflow: the key in {path} (-k) was revoked. Create a new one in Account > API Keys"
        in outcome.stderr
    )


def test_unknown_key_is_refused(live_terminal, live):
    live_terminal.environ["REFLOW_API_KEY"] = made_up_key()

    outcome = live_terminal.run("whoami")

    assert outcome.code == 4
    assert f"is not known to {live.url}" in outcome.stderr


def test_missing_subscription_is_shown_and_prevents_keys(live_terminal, nina):
    login(live_terminal.home, nina.url, nina.session)

    assert "Team\tSolo, admin, subscription inactive\n" in live_terminal.run("whoami").stdout
    outcome = live_terminal.run("keys", "create", unused_name())

    assert outcome.code == 5
    assert outcome.stdout == ""
    assert (
        outcome.stderr == "reflow: API keys need an active AWS Marketplace subscription. Contact support.\n"
    )


@pytest.mark.parametrize(
    ("detail", "is_advised"),
    [
        ("This needs Admin rights to Acme.", True),
        ("A service account cannot create API keys. An Admin of its team can.", False),
    ],
)
def test_more_rights_are_advised_where_rights_are_missing(keyed_terminal, listener, detail, is_advised):
    problem = {"title": "No", "status": 403, "detail": detail, "code": "insufficient_rights"}
    listener.respond("GET", "/keys", problem, 403)
    keyed_terminal.environ |= {"REFLOW_SERVER": listener.url, "REFLOW_API_KEY": made_up_key()}
    outcome = keyed_terminal.run("keys", "list")
    assert outcome.code == 5
    assert ("Ask an Admin of the team for more rights." in outcome.stderr) is is_advised
