"""Warnings about key files that others can read or git would publish, and the commands that fix them."""

import subprocess

import pytest

from tests.cli.folders import git, key_file, login, repository
from tests.cli.secrets_for_tests import made_up_key, made_up_session


def _commands(outcome) -> str:
    return "\n".join(line.strip() for line in outcome.stderr.splitlines() if line.startswith("    "))


def _follow(outcome) -> None:
    subprocess.run(["sh", "-ec", _commands(outcome)], check=True, capture_output=True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
@pytest.mark.parametrize("place", ["option", "repo", "home", "session"])
def test_file_readable_by_others_is_warned_of_and_fixed(listener_terminal, listener, place, mode):
    words = _put(listener_terminal, listener, place, mode)

    outcome = listener_terminal.run(*words, "whoami")

    assert outcome.code == 0
    assert "can be read by others" in outcome.stderr
    assert "chmod 600 " in outcome.stderr
    _follow(outcome)
    assert listener_terminal.run(*words, "whoami").stderr == ""


def _put(listener_terminal, listener, place: str, mode: int) -> list[str]:
    root = repository(listener_terminal.folder / "a 'quoted' $folder")
    listener_terminal.folder = root
    if place == "session":
        login(listener_terminal.home, listener.url, made_up_session()).chmod(mode)
        return []
    path = {
        "repo": root / "reflow.key",
        "home": listener_terminal.home / ".reflow" / "api.key",
        "option": root / "my key",
    }[place]
    key_file(path, made_up_key(), mode)
    return ["-k", str(path)] if place == "option" else []


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_private_ignored_file_causes_no_warning(listener_terminal, mode):
    key_file(repository(listener_terminal.folder) / "reflow.key", made_up_key(), mode)

    assert listener_terminal.run("whoami").stderr == ""


@pytest.mark.parametrize("ignore", [None, "", "*.pyc\n", "*.pyc"])
def test_key_not_ignored_by_git_is_warned_of_and_fixed(listener_terminal, ignore):
    root = listener_terminal.folder / "my repository"
    root.mkdir()
    git(root, "init", "--quiet")
    if ignore is not None:
        (root / ".gitignore").write_text(ignore)
    key_file(root / "reflow.key", made_up_key())
    listener_terminal.folder = root

    outcome = listener_terminal.run("whoami")

    assert outcome.code == 0
    assert "is not ignored by git" in outcome.stderr
    assert f"/reflow.key >> '{root}/.gitignore'" in outcome.stderr
    _follow(outcome)
    assert listener_terminal.run("whoami").stderr == ""
    assert "/reflow.key" in (root / ".gitignore").read_text().splitlines()


def test_key_tracked_by_git_is_warned_of_and_fixed(listener_terminal):
    root = listener_terminal.folder
    git(root, "init", "--quiet")
    key_file(root / "reflow.key", made_up_key())
    git(root, "add", "reflow.key")

    outcome = listener_terminal.run("whoami")

    assert outcome.code == 0
    assert "is tracked by git" in outcome.stderr
    assert "revoke the key if it was ever pushed" in outcome.stderr
    assert f"git -C {root} rm --cached reflow.key" in outcome.stderr
    _follow(outcome)
    assert listener_terminal.run("whoami").stderr == ""
    assert (root / "reflow.key").exists()


def test_quiet_hides_warnings_but_not_errors(listener_terminal, listener):
    key_file(listener_terminal.folder / "open", secret := made_up_key(), 0o644)

    assert listener_terminal.run("--quiet", "-k", "open", "whoami").stderr == ""
    assert listener_terminal.run("whoami", "-k", "open", "--quiet").stderr == ""
    listener.refuse(secret, "revoked_key")
    assert "was revoked" in listener_terminal.run("--quiet", "-k", "open", "whoami").stderr


@pytest.mark.parametrize("fault", ["git is not installed", "dubious ownership"])
def test_git_that_cannot_be_asked_is_warned_of(listener_terminal, tmp_path, fault):
    git(listener_terminal.folder, "init", "--quiet")
    key_file(listener_terminal.folder / "reflow.key", made_up_key())
    # The second is how the tests of git itself pretend that a folder belongs to another user.
    listener_terminal.environ |= (
        {"PATH": str(tmp_path)} if "not" in fault else {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    )

    outcome = listener_terminal.run("whoami")

    assert outcome.code == 0
    assert fault in outcome.stderr


def test_repository_cannot_run_programs_through_the_git_check(listener_terminal, tmp_path):
    git(listener_terminal.folder, "init", "--quiet")
    git(listener_terminal.folder, "config", "core.fsmonitor", f"touch {tmp_path / 'ran'}; false")
    key_file(listener_terminal.folder / "reflow.key", made_up_key())

    assert listener_terminal.run("whoami").code == 0
    assert not (tmp_path / "ran").exists()


def test_path_cannot_steer_the_terminal(listener_terminal):
    folder = listener_terminal.folder / "x\x1b[2J\nreflow: all is well\u202e"
    folder.mkdir()
    key_file(folder / "open", made_up_key(), 0o644)
    listener_terminal.folder = folder

    outcome = listener_terminal.run("-k", "open", "whoami")

    assert outcome.code == 0
    assert "\x1b" not in outcome.output
    assert "\u202e" not in outcome.output
    assert not any(line.startswith("reflow: all is well") for line in outcome.output.splitlines())
