"""`reflow keys restore`, and `keys create --canary`, at the real server."""

import json

from tests.cli.account import request, unused_name
from tests.cli.folders import login


def test_revoked_key_is_restored_with_the_line_that_the_revocation_shows(there, live, ada):
    login(there.home, live.url, ada.session)
    key = ada.new_key()
    revoked = there.run("keys", "revoke", key["name"])
    assert f"For 24 hours, this restores it: reflow keys restore {key['id']}" in revoked.stderr
    assert request(live.url, "GET", "/me", key["secret"])[0] == 401

    outcome = there.run("keys", "restore", key["id"])

    assert outcome.code == 0, outcome.stderr
    assert f"The key {key['name']} works again." in outcome.stderr
    assert request(live.url, "GET", "/me", key["secret"])[0] == 200
    there.run("keys", "revoke", key["name"])
    assert there.run("keys", "restore", key["name"], "--json").code == 0
    again = there.run("keys", "restore", key["name"])
    assert (again.code, "There is no revoked key" in again.stderr) == (6, True)


def test_key_restores_no_key(keyed, ada):
    ada.revoke(key := ada.new_key())
    outcome = keyed.run("keys", "restore", key["name"])
    assert outcome.code == 5
    assert "reflow login" in outcome.stderr


def test_canary_is_created_and_refused(keyed, ada):
    outcome = keyed.run("keys", "create", unused_name(), "--canary", "--json")
    key = json.loads(outcome.stdout)
    assert key["canary"] is True
    assert request(ada.url, "GET", "/me", key["secret"])[1]["code"] == "unknown_key"


def test_question_before_a_revocation_says_who_used_the_key(keyed, ada):
    key = ada.new_key()
    request(ada.url, "GET", "/me", key["secret"])
    outcome = keyed.run_at_a_screen("keys", "revoke", key["name"], answers=(("Revoke it?", "n"),))
    assert "Uses: 1 in 24 hours, 1 in 7 days, 1 in 30 days." in outcome.stdout
    assert "used it just now, from 127.0.0.1." in outcome.stdout
    assert outcome.code == 1
