"""`reflow doctor` in real repositories: key files in git, and keys in the history."""

import subprocess

import pytest

from tests.cli.doctor_report import Report
from tests.cli.folders import git, key_file, repository
from tests.cli.secrets_for_tests import made_up_key

pytestmark = pytest.mark.slow

FILES, HISTORY = "git files", "git history"


@pytest.fixture
def well(keyed):
    """A terminal in a repository with which all is well."""
    repository(keyed.folder)
    return keyed


def commit(root, name: str, content: str | bytes, message: str = "more") -> None:
    key_file(root / name, content)
    git(root, "add", "--force", name)
    git(root, "commit", "--quiet", "-m", message)


@pytest.mark.parametrize(
    "name", ["deep/api.key", "api.key", "my.key", "notes.txt", "with space.key", "ü.key"]
)
def test_key_file_not_ignored_by_git_is_warned_of_and_fixed(well, name):
    key_file(well.folder / name, made_up_key())

    report = Report(well)

    assert (report.code, report.bad) == (1, [(FILES, "warning")])
    assert str(well.folder / name) in report[FILES]["detail"]
    report.mend(well, FILES)
    assert Report(well).code == 0


@pytest.mark.parametrize("name", ["deep/reflow.key", "api.key", "notes.txt"])
def test_key_file_tracked_by_git_is_an_error_and_fixed(well, name):
    key_file(well.folder / name, made_up_key())
    git(well.folder, "add", "--force", name)

    report = Report(well)

    assert (report.code, report.bad) == (1, [(FILES, "error")])
    report.mend(well, FILES)
    assert Report(well).code == 0
    assert (well.folder / name).exists()


@pytest.mark.parametrize(
    "content", [b"-----BEGIN CERTIFICATE-----\nMIIE\n", b"\0\1\2binary", b""], ids=["pem", "binary", "empty"]
)
def test_keys_of_others_are_ignored(well, content):
    commit(well.folder, "server.key", content)

    assert Report(well).code == 0


@pytest.mark.parametrize(
    "name", ["reflow.key", "deep/api.key", "my.key", "src/settings.py", "a b.key", "ü.key"]
)
@pytest.mark.parametrize("removed", [True, False])
def test_key_in_the_history_is_an_error(well, name, removed):
    secret = made_up_key()
    commit(well.folder, name, f"# ours\nKEY = {secret}\n")
    if removed:
        git(well.folder, "rm", "--quiet", name)
        git(well.folder, "commit", "--quiet", "-m", "away with it")

    report = Report(well)

    assert report.code == 1
    assert report[HISTORY]["state"] == "error"
    assert f"holds a key that ends in {secret[-4:]}" in report[HISTORY]["detail"]
    assert secret[:20] not in report.text


def test_key_in_a_very_long_line_is_found(well):
    for place in (65_500, 65_536 - 30, 131_000):
        commit(well.folder, "bundle.js", "x" * place + f" {made_up_key()} " + "y" * 70_000)
    git(well.folder, "rm", "--quiet", "bundle.js")
    git(well.folder, "commit", "--quiet", "-m", "away with it")

    assert len([found for found in Report(well).findings if "ends in" in found["detail"]]) == 3


@pytest.mark.parametrize("name", ["reflow.key", "my.key"])
def test_link_is_not_followed(well, name):
    (well.folder / name).symlink_to("/dev/zero")
    git(well.folder, "add", "--force", name)

    assert (FILES, "error") in Report(well).bad or name == "my.key"


def test_key_in_a_message_or_a_merge_is_found(well):
    first, second = made_up_key(), made_up_key()
    commit(well.folder, "a", "1", f"try {first}")
    git(well.folder, "checkout", "--quiet", "-b", "side", "HEAD~1")
    commit(well.folder, "a", "2")
    subprocess.run(["git", "merge", "-q", "@{-1}"], cwd=well.folder, check=False, capture_output=True)
    (well.folder / "a").write_text(f"3 {second}\n")
    git(well.folder, "commit", "--quiet", "--all", "-m", "merged")
    (well.folder / "a").write_text("4\n")
    git(well.folder, "commit", "--quiet", "--all", "-m", "away with it")

    details = " ".join(found["detail"] for found in Report(well).findings)

    assert f"ends in {first[-4:]}" in details
    assert f"ends in {second[-4:]}" in details


def test_own_live_key_in_the_history_is_revoked(well, ada):
    leaked = ada.new_key()
    commit(well.folder, "notes.txt", leaked["secret"])
    git(well.folder, "rm", "--quiet", "notes.txt")
    git(well.folder, "commit", "--quiet", "-m", "away with it")

    report = Report(well)
    assert report[HISTORY]["state"] == "error"
    assert report[HISTORY]["mend"] == f"reflow keys revoke {leaked['id']}"

    assert well.run(*report[HISTORY]["mend"].split()[1:]).code == 0
    report = Report(well)
    assert report.code == 0
    assert "which was revoked" in report[HISTORY]["detail"]


def test_file_with_the_name_of_a_key_is_a_warning(well):
    commit(well.folder, "reflow.key", "rfk_cutoff")
    git(well.folder, "rm", "--quiet", "reflow.key")
    git(well.folder, "commit", "--quiet", "-m", "away with it")

    report = Report(well)

    assert (report.code, report.bad) == (1, [(HISTORY, "warning")])
    assert "holds the file reflow.key; revoke the key that was in it" in report[HISTORY]["detail"]


def test_only_the_last_hundred_commits_are_checked(well):
    commit(well.folder, "notes.txt", made_up_key())
    git(well.folder, "rm", "--quiet", "notes.txt")
    script = "for i in $(seq 99); do git commit --quiet --allow-empty -m $i; done"
    git(well.folder, "commit", "--quiet", "-m", "away with it")
    environ = {
        **well.environ,
        **{
            f"GIT_{who}_{what}": "t@reflow.example"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    subprocess.run(["sh", "-ec", script], cwd=well.folder, env=environ, check=True)

    # The commit that took it away is the hundredth, and shows it.
    assert Report(well)[HISTORY]["state"] == "error"
    git(well.folder, "commit", "--quiet", "--allow-empty", "-m", "one more")
    assert Report(well)[HISTORY]["state"] == "ok"


def test_long_history_is_read_within_limits(well):
    content = b"".join(b"%d " % number * 20 + b"\n" for number in range(600_000))
    commit(well.folder, "big.txt", content)

    report = Report(well)

    assert report[HISTORY]["state"] == "ok"
    assert "within limits of time and size" in report[HISTORY]["detail"]


@pytest.mark.parametrize("state", ["empty", "no git", "not ours"])
def test_unreadable_repository_is_reported(keyed, state, tmp_path):
    git(keyed.folder, "init", "--quiet")
    if state == "no git":
        keyed.environ["PATH"] = str(tmp_path)
    if state == "not ours":
        (keyed.folder / ".git" / "config").write_text("[nonsense")

    report = Report(keyed)

    assert (report.code, report.bad) == ((0, []) if state == "empty" else (1, [(FILES, "warning")]))


def test_repository_cannot_run_programs(well, tmp_path):
    marker = tmp_path / "ran"
    commit(well.folder, "a.txt", "1")
    (well.folder / ".git" / "info" / "attributes").write_text("* diff=x\n")
    for name in (
        "core.fsmonitor",
        "diff.external",
        "diff.x.command",
        "diff.x.textconv",
        "core.pager",
        "gpg.program",
    ):
        git(well.folder, "config", name, f"touch {marker}; true")
    git(well.folder, "config", "log.showSignature", "true")

    assert Report(well).code == 0
    assert not marker.exists()


def test_nothing_is_checked_outside_a_repository(keyed):
    report = Report(keyed)
    assert report.code == 0
    assert report[FILES]["detail"] == "this folder is in no git repository"
