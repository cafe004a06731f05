"""`reflow doctor` in real repositories: key files in git, and keys in the history."""

import subprocess

import pytest

from tests.cli.doctor_report import Report
from tests.cli.folders import git, key_file, repository
from tests.cli.secrets_for_tests import made_up_key

pytestmark = pytest.mark.slow

FILES, HISTORY = "git files", "git history"


@pytest.fixture
def configured_terminal(keyed_terminal):
    """A terminal in a repository with which all is well."""
    repository(keyed_terminal.folder)
    return keyed_terminal


def commit(root, name: str, content: str | bytes, message: str = "more") -> None:
    key_file(root / name, content)
    git(root, "add", "--force", name)
    git(root, "commit", "--quiet", "-m", message)


@pytest.mark.parametrize(
    "name", ["deep/api.key", "api.key", "my.key", "notes.txt", "with space.key", "ü.key"]
)
def test_key_file_not_ignored_by_git_is_warned_of_and_fixed(configured_terminal, name):
    key_file(configured_terminal.folder / name, made_up_key())

    report = Report(configured_terminal)

    assert (report.code, report.problems) == (1, [(FILES, "warning")])
    assert str(configured_terminal.folder / name) in report[FILES]["detail"]
    report.fix(configured_terminal, FILES)
    assert Report(configured_terminal).code == 0


@pytest.mark.parametrize("name", ["deep/reflow.key", "api.key", "notes.txt"])
def test_key_file_tracked_by_git_is_an_error_and_fixed(configured_terminal, name):
    key_file(configured_terminal.folder / name, made_up_key())
    git(configured_terminal.folder, "add", "--force", name)

    report = Report(configured_terminal)

    assert (report.code, report.problems) == (1, [(FILES, "error")])
    report.fix(configured_terminal, FILES)
    assert Report(configured_terminal).code == 0
    assert (configured_terminal.folder / name).exists()


@pytest.mark.parametrize(
    "content", [b"-----BEGIN CERTIFICATE-----\nMIIE\n", b"\0\1\2binary", b""], ids=["pem", "binary", "empty"]
)
def test_keys_of_others_are_ignored(configured_terminal, content):
    commit(configured_terminal.folder, "server.key", content)

    assert Report(configured_terminal).code == 0


@pytest.mark.parametrize(
    "name", ["reflow.key", "deep/api.key", "my.key", "src/settings.py", "a b.key", "ü.key"]
)
@pytest.mark.parametrize("removed", [True, False])
def test_key_in_the_history_is_an_error(configured_terminal, name, removed):
    secret = made_up_key()
    commit(configured_terminal.folder, name, f"# ours\nKEY = {secret}\n")
    if removed:
        git(configured_terminal.folder, "rm", "--quiet", name)
        git(configured_terminal.folder, "commit", "--quiet", "-m", "away with it")

    report = Report(configured_terminal)

    assert report.code == 1
    assert report[HISTORY]["state"] == "error"
    assert f"holds a key that ends in {secret[-4:]}" in report[HISTORY]["detail"]
    assert secret[:20] not in report.text


def test_key_in_a_very_long_line_is_found(configured_terminal):
    for place in (65_500, 65_536 - 30, 131_000):
        commit(configured_terminal.folder, "bundle.js", "x" * place + f" {made_up_key()} " + "y" * 70_000)
    git(configured_terminal.folder, "rm", "--quiet", "bundle.js")
    git(configured_terminal.folder, "commit", "--quiet", "-m", "away with it")

    assert len([found for found in Report(configured_terminal).findings if "ends in" in found["detail"]]) == 3


@pytest.mark.parametrize("name", ["reflow.key", "my.key"])
def test_link_is_not_followed(configured_terminal, name):
    (configured_terminal.folder / name).symlink_to("/dev/zero")
    git(configured_terminal.folder, "add", "--force", name)

    assert (FILES, "error") in Report(configured_terminal).problems or name == "my.key"


def test_key_in_a_message_or_a_merge_is_found(configured_terminal):
    first, second = made_up_key(), made_up_key()
    commit(configured_terminal.folder, "a", "1", f"try {first}")
    git(configured_terminal.folder, "checkout", "--quiet", "-b", "side", "HEAD~1")
    commit(configured_terminal.folder, "a", "2")
    subprocess.run(
        ["git", "merge", "-q", "@{-1}"], cwd=configured_terminal.folder, check=False, capture_output=True
    )
    (configured_terminal.folder / "a").write_text(f"3 {second}\n")
    git(configured_terminal.folder, "commit", "--quiet", "--all", "-m", "merged")
    (configured_terminal.folder / "a").write_text("4\n")
    git(configured_terminal.folder, "commit", "--quiet", "--all", "-m", "away with it")

    details = " ".join(found["detail"] for found in Report(configured_terminal).findings)

    assert f"ends in {first[-4:]}" in details
    assert f"ends in {second[-4:]}" in details


def test_own_live_key_in_the_history_is_revoked(configured_terminal, ada):
    leaked = ada.new_key()
    commit(configured_terminal.folder, "notes.txt", leaked["secret"])
    git(configured_terminal.folder, "rm", "--quiet", "notes.txt")
    git(configured_terminal.folder, "commit", "--quiet", "-m", "away with it")

    report = Report(configured_terminal)
    assert report[HISTORY]["state"] == "error"
    assert report[HISTORY]["fix"] == f"reflow keys revoke {leaked['id']}"

    assert configured_terminal.run(*report[HISTORY]["fix"].split()[1:]).code == 0
    report = Report(configured_terminal)
    assert report.code == 0
    assert "which was revoked" in report[HISTORY]["detail"]


def test_file_with_the_name_of_a_key_is_a_warning(configured_terminal):
    commit(configured_terminal.folder, "reflow.key", "rfk_cutoff")
    git(configured_terminal.folder, "rm", "--quiet", "reflow.key")
    git(configured_terminal.folder, "commit", "--quiet", "-m", "away with it")

    report = Report(configured_terminal)

    assert (report.code, report.problems) == (1, [(HISTORY, "warning")])
    assert "holds the file reflow.key; revoke the key that was in it" in report[HISTORY]["detail"]


def test_only_the_last_hundred_commits_are_checked(configured_terminal):
    commit(configured_terminal.folder, "notes.txt", made_up_key())
    git(configured_terminal.folder, "rm", "--quiet", "notes.txt")
    script = "for i in $(seq 99); do git commit --quiet --allow-empty -m $i; done"
    git(configured_terminal.folder, "commit", "--quiet", "-m", "away with it")
    environ = {
        **configured_terminal.environ,
        **{
            f"GIT_{who}_{what}": "t@reflow.example"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    subprocess.run(["sh", "-ec", script], cwd=configured_terminal.folder, env=environ, check=True)

    # The commit that took it away is the hundredth, and shows it.
    assert Report(configured_terminal)[HISTORY]["state"] == "error"
    git(configured_terminal.folder, "commit", "--quiet", "--allow-empty", "-m", "one more")
    assert Report(configured_terminal)[HISTORY]["state"] == "ok"


def test_long_history_is_read_within_limits(configured_terminal):
    content = b"".join(b"%d " % number * 20 + b"\n" for number in range(600_000))
    commit(configured_terminal.folder, "big.txt", content)

    report = Report(configured_terminal)

    assert report[HISTORY]["state"] == "ok"
    assert "within limits of time and size" in report[HISTORY]["detail"]


@pytest.mark.parametrize("state", ["empty", "no git", "not ours"])
def test_unreadable_repository_is_reported(keyed_terminal, state, tmp_path):
    git(keyed_terminal.folder, "init", "--quiet")
    if state == "no git":
        keyed_terminal.environ["PATH"] = str(tmp_path)
    if state == "not ours":
        (keyed_terminal.folder / ".git" / "config").write_text("[nonsense")

    report = Report(keyed_terminal)

    assert (report.code, report.problems) == ((0, []) if state == "empty" else (1, [(FILES, "warning")]))


def test_repository_cannot_run_programs(configured_terminal, tmp_path):
    marker = tmp_path / "ran"
    commit(configured_terminal.folder, "a.txt", "1")
    (configured_terminal.folder / ".git" / "info" / "attributes").write_text("* diff=x\n")
    for name in (
        "core.fsmonitor",
        "diff.external",
        "diff.x.command",
        "diff.x.textconv",
        "core.pager",
        "gpg.program",
    ):
        git(configured_terminal.folder, "config", name, f"touch {marker}; true")
    git(configured_terminal.folder, "config", "log.showSignature", "true")

    assert Report(configured_terminal).code == 0
    assert not marker.exists()


def test_nothing_is_checked_outside_a_repository(keyed_terminal):
    report = Report(keyed_terminal)
    assert report.code == 0
    assert report[FILES]["detail"] == "this folder is in no git repository"
