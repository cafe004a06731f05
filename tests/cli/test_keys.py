"""`reflow keys` at the real server."""

import json
import stat
import subprocess
from pathlib import Path

import pytest

from reflow_accounts.contract import is_well_formed
from tests.cli.account import request, unused_name
from tests.cli.folders import git, key_file, repository, secret_in
from tests.cli.terminal import COMMAND


def _rows(outcome) -> dict[str, list[str]]:
    lines = [line.split("\t") for line in outcome.stdout.splitlines()]
    return {line[1]: line for line in lines}


def test_list_shows_each_key_on_a_line(keyed_terminal, ada):
    key, unused = ada.new_key(), ada.new_key()
    request(ada.url, "GET", "/me", key["secret"])

    outcome = keyed_terminal.run("keys", "list")

    assert outcome.code == 0, outcome.stderr
    row = _rows(outcome)[key["name"]]
    assert row[:4] == [key["id"], key["name"], key["secret"][-4:], "1"]
    assert row[4].startswith("20")
    assert row[5:] == [key["created_at"], "Never"]
    assert _rows(outcome)[unused["name"]][3:5] == ["0", "Never"]
    assert key["secret"] not in outcome.output


def test_list_reads_all_pages(keyed_terminal, ada):
    for _ in range(205 - len(ada.live_names())):
        ada.new_key()
    expected = ada.live_names()

    outcome = keyed_terminal.run("keys", "list", "--json")

    answer = json.loads(outcome.stdout)
    assert {item["name"] for item in answer["items"]} >= expected
    assert len(answer["items"]) > 200
    assert answer["next_cursor"] is None


def test_list_can_show_revoked_keys(keyed_terminal, ada):
    ada.revoke(key := ada.new_key())

    assert key["name"] not in _rows(keyed_terminal.run("keys", "list"))
    assert key["name"] in _rows(keyed_terminal.run("keys", "list", "--state", "revoked"))
    assert {key["name"], keyed_terminal.key["name"]} <= _rows(
        keyed_terminal.run("keys", "list", "--state", "all")
    ).keys()


def test_list_shows_when_keys_were_revoked(keyed_terminal, ada):
    ada.revoke(key := ada.new_key())
    [revoked_at] = [
        found["revoked_at"]
        for found in ada.ask("GET", "/keys?state=revoked&limit=200")[1]["items"]
        if found["id"] == key["id"]
    ]

    for state in ("revoked", "all"):
        rows = _rows(keyed_terminal.run("keys", "list", "--state", state))
        assert rows[key["name"]][7:] == [revoked_at]
        on_screen = keyed_terminal.run_interactively("keys", "list", "--state", state).stdout
        assert "Revoked" in on_screen.splitlines()[0]
    assert rows[keyed_terminal.key["name"]][7:] == [""]
    assert "Revoked" not in keyed_terminal.run_interactively("keys", "list").stdout


def test_table_is_drawn_on_a_terminal(keyed_terminal):
    outcome = keyed_terminal.run_interactively("keys", "list")

    assert outcome.code == 0
    assert "Last used" in outcome.stdout
    assert keyed_terminal.key["name"] in outcome.stdout


def test_stdout_holds_only_the_new_key(keyed_terminal, ada):
    outcome = keyed_terminal.run("keys", "create", name := unused_name())

    assert outcome.code == 0, outcome.stderr
    secret = outcome.stdout.removesuffix("\n")
    assert is_well_formed(secret)
    assert request(ada.url, "GET", "/me", secret)[0] == 200
    assert name in ada.live_names()
    assert "shown only this once" in outcome.stderr
    assert secret not in outcome.stderr


def test_new_key_is_printed_as_json(keyed_terminal):
    answer = json.loads(keyed_terminal.run("--json", "keys", "create", name := unused_name()).stdout)

    assert answer["name"] == name
    assert is_well_formed(answer["secret"])


@pytest.mark.parametrize("name", ["", "x" * 5000], ids=["empty", "endless"])
def test_name_that_the_server_refuses_says_why(keyed_terminal, name):
    outcome = keyed_terminal.run("keys", "create", name)

    assert outcome.code == 1
    assert "name" in outcome.stderr
    assert outcome.stdout == ""


def test_file_is_made_for_its_owner_alone_and_works(keyed_terminal):
    outcome = keyed_terminal.run("keys", "create", unused_name(), "-o", "new.key", umask=0)

    file = keyed_terminal.folder / "new.key"
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert is_well_formed(secret_in(file))
    assert list(keyed_terminal.folder.iterdir()) == [file]
    assert keyed_terminal.run("-k", "new.key", "whoami").code == 0


def test_json_does_not_hold_the_secret_that_went_to_a_file(keyed_terminal):
    outcome = keyed_terminal.run("keys", "create", name := unused_name(), "-o", "new.key", "--json")

    assert json.loads(outcome.stdout)["name"] == name
    assert "rfk_" not in outcome.output


def test_file_is_never_overwritten_by_accident(keyed_terminal, ada):
    file = key_file(keyed_terminal.folder / "old.key", "precious")

    outcome = keyed_terminal.run("keys", "create", name := unused_name(), "-o", "old.key")

    assert outcome.code == 1
    assert "--force" in outcome.stderr
    assert file.read_text() == "precious\n"
    assert name not in ada.live_names()

    assert keyed_terminal.run("keys", "create", name, "-o", "old.key", "--force").code == 0
    assert is_well_formed(secret_in(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("target", ["no/such/folder/x", "folder", "/dev/null", "/proc/x"])
@pytest.mark.parametrize("force", [(), ("--force",)], ids=["", "force"])
def test_unwritable_destination_prevents_key_creation(keyed_terminal, ada, target, force):
    (keyed_terminal.folder / "folder").mkdir()

    outcome = keyed_terminal.run("keys", "create", name := unused_name(), "-o", target, *force)

    assert outcome.code == 1
    assert "No key was created" in outcome.stderr
    assert name not in ada.live_names()


def test_empty_destination_is_a_usage_error(keyed_terminal, ada):
    outcome = keyed_terminal.run("keys", "create", name := unused_name(), "-o", "")

    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == "reflow: -o needs the name of a file, or - for stdout.\n"
    assert name not in ada.live_names()
    assert keyed_terminal.run("keys", "rotate", keyed_terminal.key["name"], "-o", "").code == 2


def test_unprintable_key_is_revoked(keyed_terminal, ada):
    with Path("/dev/full").open("wb") as full:
        command = [*COMMAND, "keys", "create", name := unused_name()]
        done = subprocess.run(
            command, env=keyed_terminal.environ, stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert done.returncode == 1
    assert b"was revoked again" in done.stderr
    assert name not in ada.live_names()


def test_unread_key_is_revoked(keyed_terminal, ada):
    command = (
        f"{' '.join(COMMAND)} keys create {(name := unused_name())} | exec 0<&-; exit ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(
        ["bash", "-c", command], env=keyed_terminal.environ, capture_output=True, check=False
    )

    assert (done.returncode == 1) == (name not in ada.live_names())
    assert b"Traceback" not in done.stderr


def test_closed_stdout_prevents_key_creation(keyed_terminal, ada):
    command = f"exec {' '.join(COMMAND)} keys create {(name := unused_name())} >&-"
    done = subprocess.run(
        ["bash", "-c", command], env=keyed_terminal.environ, stderr=subprocess.PIPE, check=False
    )

    assert done.returncode == 1
    assert name not in ada.live_names()


def test_key_saved_at_the_git_root_is_used_from_then_on(keyed_terminal):
    root = repository(keyed_terminal.folder)
    (root / "deep").mkdir()
    keyed_terminal.folder = root / "deep"

    outcome = keyed_terminal.run("keys", "create", unused_name(), "--save", "repo")

    assert outcome.code == 0
    assert "warning" not in outcome.stderr
    del keyed_terminal.environ["REFLOW_API_KEY"]
    assert f"the key in {root / 'reflow.key'} (git root)" in keyed_terminal.run("whoami").stdout


def test_key_saved_in_a_tracked_place_is_warned_of(keyed_terminal):
    git(keyed_terminal.folder, "init", "--quiet")

    outcome = keyed_terminal.run("keys", "create", unused_name(), "--save", "repo")

    assert outcome.code == 0
    assert f"echo /reflow.key >> {keyed_terminal.folder}/.gitignore" in outcome.stderr


def test_key_saved_at_home_is_used_from_then_on(keyed_terminal):
    assert keyed_terminal.run("keys", "create", unused_name(), "--save", "home").code == 0

    path = keyed_terminal.home / ".reflow" / "api.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    del keyed_terminal.environ["REFLOW_API_KEY"]
    assert f"the key in {path} (home folder)" in keyed_terminal.run("whoami").stdout


def test_save_repo_fails_outside_a_repository(keyed_terminal, ada):
    outcome = keyed_terminal.run("keys", "create", name := unused_name(), "--save", "repo")

    assert outcome.code == 2
    assert name not in ada.live_names()


def test_refused_field_is_named_once(keyed_terminal):
    outcome = keyed_terminal.run("keys", "create", "x" * 65)
    assert outcome.stderr == "reflow: name: Use at most 64 characters.\n"
    late = keyed_terminal.run(
        "api", "POST", "/keys", "-f", "name=late", "-f", "expires_at=2001-01-01T00:00:00Z"
    )
    assert late.stderr.count("Choose a time in the future") == 1
    assert "expires_at: Choose a time in the future" in late.stderr
