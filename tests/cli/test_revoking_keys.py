"""`reflow keys revoke` at the real server."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.account import request, unused_name
from tests.cli.secrets_for_tests import made_up_key


@pytest.mark.parametrize("by", ["name", "id"])
def test_key_is_revoked_by_name_or_id(keyed_terminal, ada, by):
    key = ada.new_key()

    outcome = keyed_terminal.run("keys", "revoke", key[by])

    assert outcome.code == 0, outcome.stderr
    assert f"The key {key['name']} was revoked." in outcome.stderr
    assert request(ada.url, "GET", "/me", key["secret"])[0] == 401


def test_second_revocation_by_id_changes_nothing(keyed_terminal, ada):
    ada.revoke(key := ada.new_key())

    outcome = keyed_terminal.run("keys", "revoke", key["id"])

    assert outcome.code == 0
    assert "revoked already" in outcome.stderr


@pytest.mark.parametrize("words", ["no such key", "key_nosuchkey", "key_../../me", "key_", "", "key_a/b?c#d"])
def test_missing_key_is_not_found(keyed_terminal, words):
    outcome = keyed_terminal.run("keys", "revoke", words)

    assert outcome.code == 6
    assert "There is no key" in outcome.stderr


def test_name_that_starts_like_an_id_is_found(keyed_terminal, ada):
    key = ada.new_key(unused_name("key_like"))

    assert keyed_terminal.run("keys", "revoke", key["name"]).code == 0
    assert key["name"] not in ada.live_names()


def test_revoking_the_key_in_use_says_so(keyed_terminal):
    outcome = keyed_terminal.run("keys", "revoke", keyed_terminal.key["name"])

    assert outcome.code == 0
    assert "the one in use here" in outcome.stderr
    assert keyed_terminal.run("whoami").code == 4


def test_key_that_ends_as_the_one_in_use_is_told_from_it(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = secret = made_up_key()
    key = {"id": "key_2", "name": "ci", "hint": secret[-4:]}
    listener.respond("GET", "/keys", {"items": [key], "next_cursor": None})
    listener.respond_raw("DELETE", "/keys/key_2", b"", 204)
    outcome = listener_terminal.run("keys", "revoke", "ci")
    assert (outcome.code, "in use here" in outcome.stderr) == (0, False)


@pytest.mark.parametrize(("answer", "is_gone"), [("y", True), ("n", False), ("", False)])
def test_person_is_asked_before_a_key_in_use_is_revoked(keyed_terminal, ada, answer, is_gone):
    key = ada.new_key()
    request(ada.url, "GET", "/me", key["secret"])

    outcome = keyed_terminal.run_interactively(
        "keys", "revoke", key["name"], answers=(("Revoke it?", answer),)
    )

    assert "Revoke it?" in outcome.stdout
    assert (key["name"] not in ada.live_names()) is is_gone
    assert outcome.code == (0 if is_gone else 1)


def test_ci_is_not_asked_before_a_key_in_use_is_revoked(keyed_terminal, ada):
    key = ada.new_key()
    request(ada.url, "GET", "/me", key["secret"])
    keyed_terminal.environ["CI"] = "true"

    assert keyed_terminal.run_interactively("keys", "revoke", key["name"]).code == 0
    assert key["name"] not in ada.live_names()


def test_script_is_not_asked_before_a_key_in_use_is_revoked(keyed_terminal, ada):
    assert keyed_terminal.run("whoami").code == 0

    assert keyed_terminal.run("keys", "revoke", keyed_terminal.key["name"]).code == 0
    assert keyed_terminal.key["name"] not in ada.live_names()
    assert "A script needs no --yes" in keyed_terminal.run("keys", "revoke", "--help").stdout


@pytest.mark.parametrize(("hours", "is_asked"), [(23.9, True), (24.1, False)])
def test_person_is_asked_when_the_last_use_is_of_the_last_24_hours(
    listener_terminal, listener, hours, is_asked
):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    used = datetime.now(UTC) - timedelta(hours=hours)
    key = {"id": "key_2", "name": "ci", "hint": "abcd", "last_used_at": used.isoformat()}
    listener.respond("GET", "/keys", {"items": [key], "next_cursor": None})
    usage = {"last_24_hours": 1, "last_7_days": 1, "last_30_days": 2, "programs": [], "program_count": 0}
    listener.respond("GET", "/keys/key_2/usage", usage)
    listener.respond_raw("DELETE", "/keys/key_2", b"", 204)

    outcome = listener_terminal.run_interactively("keys", "revoke", "ci", answers=(("Revoke it?", "y"),))

    assert outcome.code == 0
    assert ("Revoke it?" in outcome.stdout) is is_asked


def test_person_is_not_asked_for_an_unused_key_or_with_yes(keyed_terminal, ada):
    unused, used = ada.new_key(), ada.new_key()
    request(ada.url, "GET", "/me", used["secret"])

    assert keyed_terminal.run_interactively("keys", "revoke", unused["name"]).code == 0
    assert keyed_terminal.run_interactively("keys", "revoke", "--yes", used["name"]).code == 0
    assert {unused["name"], used["name"]}.isdisjoint(ada.live_names())
