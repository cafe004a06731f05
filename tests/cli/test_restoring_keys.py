"""`reflow keys restore`, and `keys create --canary`, at the real server."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.account import request, unused_name
from tests.cli.folders import login, repository
from tests.cli.secrets_for_tests import made_up_key, made_up_session

pytestmark = pytest.mark.slow


def test_revoked_key_is_restored_with_the_line_that_the_revocation_shows(live_terminal, live, ada):
    login(live_terminal.home, live.url, ada.session)
    key = ada.new_key()
    revoked = live_terminal.run("keys", "revoke", key["name"])
    assert f"For 24 hours, this restores it: reflow keys restore {key['id']}" in revoked.stderr
    assert request(live.url, "GET", "/me", key["secret"])[0] == 401

    outcome = live_terminal.run("keys", "restore", key["id"])

    assert outcome.code == 0, outcome.stderr
    assert f"The key {key['name']} works again." in outcome.stderr
    assert request(live.url, "GET", "/me", key["secret"])[0] == 200
    live_terminal.run("keys", "revoke", key["name"])
    assert live_terminal.run("keys", "restore", key["name"], "--json").code == 0
    again = live_terminal.run("keys", "restore", key["name"])
    assert (again.code, "There is no revoked key" in again.stderr) == (6, True)


def test_restorable_key_of_several_with_its_name_is_restored(listener_terminal, listener):
    login(listener_terminal.home, listener.url, made_up_session())
    keys = [{"id": "key_1", "name": "ci", "restorable_until": None}]
    keys += [{"id": "key_2", "name": "ci", "restorable_until": "2026-12-01T00:00:00Z"}]
    listener.respond("GET", "/keys", {"items": keys, "next_cursor": None})
    listener.respond("DELETE", "/keys/key_2/revocation", keys[1])

    assert listener_terminal.run("keys", "restore", "ci").code == 0


def test_key_restores_no_key(keyed_terminal, ada):
    ada.revoke(key := ada.new_key())
    outcome = keyed_terminal.run("keys", "restore", key["name"])
    assert outcome.code == 5
    assert outcome.stderr == (
        "reflow: An API key cannot restore keys. Run reflow login, then the same command with --as login.\n"
    )


def test_line_after_a_revocation_works_when_the_key_in_use_was_revoked(keyed_terminal, live, ada):
    login(keyed_terminal.home, live.url, ada.session)
    revoked = keyed_terminal.run("keys", "revoke", keyed_terminal.key["id"])
    shown = next(line for line in revoked.stderr.splitlines() if "a login restores it: reflow " in line)
    command = shown.partition("a login restores it: reflow ")[2].split()

    assert keyed_terminal.run(*command).code == 0
    assert request(live.url, "GET", "/me", keyed_terminal.key["secret"])[0] == 200


def test_service_account_is_told_how_an_admin_restores_its_key(terminal_for, team_server, members):
    terminal = terminal_for(members.robot)
    [key] = json.loads(terminal.run("keys", "list", "--json").stdout)["items"]
    revoked = terminal.run("keys", "revoke", key["id"])
    [shown] = [line for line in revoked.stderr.splitlines() if "restores it" in line]
    command = shown.partition("with a login: reflow ")[2].split()
    secret = terminal.environ.pop("REFLOW_API_KEY")
    login(terminal.home, team_server.url, members.admin.session())

    outcome = terminal.run(*command)

    assert outcome.code == 0, (shown, outcome.stderr)
    assert request(team_server.url, "GET", "/me", secret)[0] == 200


def test_line_after_a_revocation_names_an_earlier_end(keyed_terminal, listener):
    soon, past = (datetime.now(UTC) + timedelta(hours=hours) for hours in (2, -1))
    for end, expected in ((soon, f"Until {soon:%Y-%m-%d %H:%M} UTC, a login restores it"), (past, None)):
        key = {"id": "key_2", "name": "ci", "hint": "abcd", "expires_at": end.isoformat()}
        listener.respond("GET", "/keys", {"items": [key], "next_cursor": None})
        listener.respond_raw("DELETE", "/keys/key_2", b"", 204)
        keyed_terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": listener.url}
        outcome = keyed_terminal.run("keys", "revoke", "ci")
        assert outcome.code == 0, outcome.stderr
        assert expected in outcome.stderr if expected else "restores it" not in outcome.stderr


def test_canary_is_created_and_refused(keyed_terminal, ada):
    outcome = keyed_terminal.run("keys", "create", unused_name(), "--canary", "--json")
    key = json.loads(outcome.stdout)
    assert key["canary"] is True
    assert (
        "Canary\tit opens nothing, and its first use is mailed"
        in keyed_terminal.run("keys", "show", key["id"]).stdout
    )
    assert request(ada.url, "GET", "/me", key["secret"])[1]["code"] == "unknown_key"


@pytest.mark.parametrize("place", ["home", "repo"])
def test_canary_is_not_saved_as_the_key_in_use(keyed_terminal, ada, place):
    repository(keyed_terminal.folder)
    name = unused_name()
    for words in (("keys", "create", name), ("team", "service-accounts", "keys", "create", "acme-ci", name)):
        outcome = keyed_terminal.run(*words, "--canary", "--save", place)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert "Use -o FILE, or leave --save out to print it." in outcome.stderr
    assert name not in ada.live_names()
    assert keyed_terminal.run("keys", "create", name, "--canary", "-o", "trap.key").code == 0


def test_question_before_a_revocation_says_who_used_the_key(keyed_terminal, ada):
    key = ada.new_key()
    request(ada.url, "GET", "/me", key["secret"])
    outcome = keyed_terminal.run_interactively("keys", "revoke", key["name"], answers=(("Revoke it?", "n"),))
    assert "Uses: 1 in 24 hours, 1 in 7 days, 1 in 30 days." in outcome.stdout
    assert "used it just now, from 127.0.0.1." in outcome.stdout
    assert outcome.code == 1


def test_use_by_a_clock_that_is_ahead_was_just_now(listener_terminal, listener):
    ahead = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    key = {"id": "key_2", "name": "ci", "hint": "abcd", "last_used_at": ahead}
    listener.respond("GET", "/keys", {"items": [key], "next_cursor": None})
    program = {"name": "curl", "last_used_at": ahead, "addresses": ["192.0.2.1"], "address_count": 1}
    listener.respond("GET", "/keys/key_2/usage", {"programs": [program], "program_count": 1})
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    outcome = listener_terminal.run_interactively("keys", "revoke", "ci", answers=(("Revoke it?", "n"),))
    assert "curl used it just now, from 192.0.2.1." in outcome.stdout


def test_terminal_marks_keys_that_do_not_work_as_others_do(keyed_terminal, listener):
    now = datetime.now(UTC)
    facts = {"hint": "abcd", "use_count": 0, "created_at": now.isoformat()}
    keys = [
        {"id": "key_1", "name": "trap", "canary": True},
        {"id": "key_2", "name": "old", "expires_at": (now - timedelta(days=1)).isoformat()},
        {"id": "key_3", "name": "rotated", "replaced_by": "key_4"},
        {"id": "key_4", "name": "rotated", "expires_at": (now + timedelta(days=1)).isoformat()},
    ]
    listener.respond("GET", "/keys", {"items": [key | facts for key in keys], "next_cursor": None})
    keyed_terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": listener.url}

    shown = keyed_terminal.run_interactively("keys", "list").stdout
    piped = keyed_terminal.run("keys", "list").stdout

    for name in ("trap (canary)", "old (expired)", "rotated (replaced)"):
        assert name in shown
    assert [line.split("\t")[1] for line in piped.splitlines()] == ["trap", "old", "rotated", "rotated"]
