"""`reflow doctor`: the cause and the fix of a problem agree, and the fix works as printed."""

import shlex

import pytest

from tests.cli.doctor_report import Report
from tests.cli.folders import git

pytestmark = pytest.mark.postgresql_later

ADVICE = ("Correct it", "Create a new one", "Run reflow login", "Remove it", "run reflow login")


def words_of(mend: str) -> list[str]:
    """Return the arguments of a shown `reflow` command."""
    program, *words = shlex.split(mend)
    assert program == "reflow"
    return words


def test_missing_git_is_named(well, tmp_path):
    well.environ["PATH"] = str(tmp_path)

    row = Report(well)["git files"]

    assert row["detail"] == (
        f"git cannot be asked about {well.folder}: git is not installed or does not answer"
    )
    assert row["mend"] == "git --version"


def test_unreadable_repository_is_shown_with_its_status(keyed):
    git(keyed.folder, "init", "--quiet")
    (keyed.folder / ".git" / "config").write_text("[nonsense")

    row = Report(keyed)["git files"]

    assert row["detail"].endswith(f"{keyed.folder}: git does not read it")
    assert row["mend"] == f"git -C {keyed.folder} status"
