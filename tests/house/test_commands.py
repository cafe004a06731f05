"""Commands of the Makefile, and file sizes."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 300
LONGEST_CONFTEST = 150


def make(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_make_without_arguments_lists_the_commands():
    listed = make().stdout
    for command in ("make run", "make test", "make check", "make dev"):
        assert command in listed


def test_continuous_integration_runs_the_commands_of_the_readme():
    steps = (ROOT / ".ci/run").read_text("utf-8")
    readme = "".join((ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    for command in ("make check", "make test"):
        assert f"\n{command}\n" in steps
        assert command in readme
    assert "make run" in readme


@pytest.mark.parametrize("folder", ["reflow_accounts", "tests", "migrations"])
def test_files_are_within_their_limits(folder):
    for file in ROOT.glob(f"{folder}/**/*.py"):
        longest = LONGEST_CONFTEST if file.name == "conftest.py" else LONGEST_FILE
        assert len(file.read_text("utf-8").splitlines()) <= longest, file
