"""A rotation of which an answer was lost at the real server: what is left has an end, and the next one finishes it."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.account import request, unused_name
from tests.cli.folders import key_file
from tests.cli.secrets_for_tests import made_up_key
from tests.helpers.faulty_proxy import at, pass_on, reset_after, says


def ending_key(account) -> dict:
    """A key that ends in 30 days."""
    end = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    return account.ask("POST", "/keys", {"name": unused_name("end"), "expires_at": end})[1]


def live_keys(account, name: str) -> dict[str, dict]:
    items = account.ask("GET", "/keys?limit=200")[1]["items"]
    return {key["name"]: key for key in items if key["name"].startswith(name)}


def life_of(key) -> timedelta:
    return datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["created_at"])


def is_open(account, file) -> bool:
    return request(account.url, "GET", "/me", file.read_text().strip())[0] == 200


def broken_off(terminal, old, at_which: str, fault=None, *words: str):
    """Rotate `old`, which lies in the file my.key, and have one answer get lost."""
    file = key_file(terminal.folder / "my.key", old["secret"])
    terminal.proxy.always = at(at_which, fault or reset_after(0))
    outcome = terminal.run("-k", "my.key", "keys", "rotate", old["name"], *words)
    terminal.proxy.always = pass_on
    assert outcome.code == 7, outcome.everything
    assert file.read_text().strip() != old["secret"]
    return file, outcome


@pytest.mark.parametrize("lost", ["DELETE", "PATCH"])
def test_what_is_left_has_the_end_that_it_should_and_it_is_said_how_to_name_it(disturbed, ada, lost):
    old = ending_key(ada)

    file, outcome = broken_off(disturbed, old, lost, says("503 Away") if lost == "PATCH" else None)

    [(name, key)] = live_keys(ada, old["name"]).items()
    assert re.fullmatch(re.escape(old["name"]) + r" \(new [0-9a-f]{4}\)", name)
    assert abs(life_of(key) - life_of(old)) < timedelta(seconds=5)
    assert f"reflow api PATCH /keys/{key['id']} -f name={old['name']}" in outcome.stderr
    assert "Or run the same command again: it does the rest." in outcome.stderr
    assert "rfk_" not in outcome.everything
    # A run later it bears the name.
    words = ("-k", "my.key", "api", "PATCH", f"/keys/{key['id']}", "-f", f"name={old['name']}")
    assert disturbed.run(*words).code == 0
    assert is_open(ada, file)


@pytest.mark.parametrize("overlap", [(), ("--overlap", "1h")], ids=["at once", "overlap"])
@pytest.mark.parametrize("at_which", ["end of the old one", "name of the new one"])
def test_the_next_rotation_finishes_one_whose_old_key_is_gone(disturbed, ada, at_which, overlap):
    old = ending_key(ada)
    first = f"PATCH /api/v1/keys/{old['id']}" if overlap else "DELETE"
    if at_which == "end of the old one":
        file, _ = broken_off(disturbed, old, first, reset_after(0), *overlap)
    else:
        away = at("PATCH", says("503 Away"))
        file, _ = broken_off(disturbed, old, "", at(first, pass_on, away), *overlap)
    secret = file.read_text()

    outcome = disturbed.run("-k", "my.key", "keys", "rotate", old["name"], *overlap)

    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout == ""
    assert f"had broken off and is finished now: the new one is in {file}" in outcome.stderr
    assert file.read_text() == secret
    named = live_keys(ada, old["name"])
    assert named[old["name"]]["hint"] == secret.strip()[-4:]
    assert len(named) == (2 if overlap else 1)
    assert disturbed.run("-k", "my.key", "whoami").code == 0
    # From then on it is an ordinary key again.
    assert disturbed.run("-k", "my.key", "keys", "rotate", old["name"]).code == 0
    assert file.read_text() != secret


@pytest.mark.parametrize("overlap", [(), ("--overlap", "1h")], ids=["at once", "overlap"])
def test_the_next_rotation_finishes_one_whose_old_key_was_not_ended(disturbed, ada, overlap):
    """Else it would print another key, and leave the one in the file without its name."""
    old = ending_key(ada)
    first = f"PATCH /api/v1/keys/{old['id']}" if overlap else "DELETE"
    file, _ = broken_off(disturbed, old, first, says("503 Away"), *overlap)
    assert len(live_keys(ada, old["name"])) == 2

    outcome = disturbed.run("-k", "my.key", "keys", "rotate", old["name"], *overlap)

    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout == ""
    named = live_keys(ada, old["name"])
    assert named[old["name"]]["hint"] == file.read_text().strip()[-4:]
    assert (request(ada.url, "GET", "/me", old["secret"])[0] == 200) is bool(overlap)
    assert is_open(ada, file)


def test_the_next_rotation_into_a_file_of_its_own_finishes_too(disturbed, ada):
    old = ada.new_key()
    disturbed.environ["REFLOW_API_KEY"] = ada.new_key()["secret"]
    disturbed.proxy.always = at("PATCH", says("503 Away"))
    assert disturbed.run("keys", "rotate", old["name"], "-o", "ci.key").code == 7
    disturbed.proxy.always = pass_on

    outcome = disturbed.run("--json", "keys", "rotate", old["name"], "-o", "ci.key")

    assert outcome.code == 0, outcome.stderr
    assert f'"name": "{old["name"]}"' in outcome.stdout
    assert list(live_keys(ada, old["name"])) == [old["name"]]
    assert is_open(ada, disturbed.folder / "ci.key")


def test_a_key_that_is_not_at_hand_gets_no_name_but_it_is_said_how(disturbed, ada):
    old = ada.new_key()
    disturbed.environ["REFLOW_API_KEY"] = ada.new_key()["secret"]
    disturbed.proxy.always = at("PATCH", says("503 Away"))
    assert disturbed.run("keys", "rotate", old["name"]).code == 7
    disturbed.proxy.always = pass_on
    [(name, left)] = live_keys(ada, old["name"]).items()

    outcome = disturbed.run("keys", "rotate", old["name"])

    assert outcome.code == 6
    assert f"A rotation of it broke off: {name} is the new one" in outcome.stderr
    assert f"reflow api PATCH /keys/{left['id']} -f name={old['name']}" in outcome.stderr
    assert f"reflow keys revoke {left['id']}" in outcome.stderr
    assert list(live_keys(ada, old["name"])) == [name]


def test_the_end_is_told_by_the_servers_clock(here, listener):
    """Ours may be wrong by days; a key that lives for an hour must not end before it begins."""
    secret, listener.clock = made_up_key(), 3 * 24 * 3600.0
    times = {"created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T01:00:00Z"}
    old = {"id": "key_1", "name": "ci", "hint": "none", "last_used_at": None, **times}
    listener.says("GET", "/keys", {"items": [old], "next_cursor": None})
    here.environ["REFLOW_API_KEY"] = secret

    assert here.run("keys", "rotate", "ci").code == 7

    wanted = json.loads(listener.asked[-1]["body"])
    end = datetime.fromisoformat(wanted["expires_at"]) - timedelta(days=3, hours=1)
    assert abs(end - datetime.now(UTC)) < timedelta(minutes=1)
