"""Differences on Windows: home folder, quoting, and the search for programs."""

import os
import sys
from pathlib import Path

import pytest

from reflow_accounts.cli.commands.credential import run_program
from reflow_accounts.cli.credentials import home_of, home_variable
from reflow_accounts.cli.git import program
from reflow_accounts.cli.text import shell


def test_home_folder_is_that_of_the_system(tmp_path):
    environ = {"HOME": "/elsewhere", "USERPROFILE": str(tmp_path)}

    assert home_of(environ, "nt") == tmp_path
    assert home_of(environ, "posix") == Path("/elsewhere")
    assert (home_variable("nt"), home_variable("posix")) == ("USERPROFILE", "HOME")


@pytest.mark.parametrize("environ", [{}, {"USERPROFILE": ""}, {"USERPROFILE": "home"}, {"HOME": "/home/ada"}])
def test_relative_path_is_no_home_folder(environ):
    assert home_of(environ, "nt") is None


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("del", "C:\\Users\\ada\\.reflow\\session.json"), "del C:\\Users\\ada\\.reflow\\session.json"),
        (("del", "C:\\Users\\Ada Park\\x"), 'del "C:\\Users\\Ada Park\\x"'),
        (("git", "-C", "D:\\a&b", "rm"), 'git -C "D:\\a&b" rm'),
        (("git", "-C", "D:\\a b\\", "rm"), 'git -C "D:\\a b" rm'),
        (("echo", "it's", "", "ü"), 'echo "it\'s" "" "ü"'),
    ],
)
def test_arguments_are_quoted_for_windows_shells(words, command):
    assert shell(*words, system="nt") == command


def test_git_is_never_started_from_the_current_folder_on_windows(tmp_path):
    """Windows itself looks there first, and a repository may hold a git.exe of its own."""
    for folder in ("repository", "tools", "more"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "git.exe").touch()
    path = f";.;repository;{tmp_path / 'none'};{tmp_path / 'tools'};{tmp_path / 'more'}"

    assert program({"PATH": path}, "nt") == str(tmp_path / "tools" / "git.exe")
    assert program({"PATH": ".;repository"}, "nt") == ""
    assert program({}, "nt") == ""
    assert program({"PATH": path}, "posix") == "git"


def test_exec_waits_on_windows_and_returns_the_exit_code(tmp_path):
    program = "import os, pathlib; pathlib.Path(os.environ['OUT']).write_text('done'); raise SystemExit(3)"
    environ = {**os.environ, "OUT": str(tmp_path / "out")}

    assert run_program((sys.executable, "-c", program), environ, "nt") == 3
    assert (tmp_path / "out").read_text() == "done"
