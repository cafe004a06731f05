"""Finds the root of a git repository and asks git about the files in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from reflow_accounts.cli.text import shell

if TYPE_CHECKING:
    from subprocess import CompletedProcess

_TIMEOUT = 3  # seconds
# Set by git for hooks; with them it would answer for another repository.
_LOCAL_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")


class FileStatus(Enum):
    """How git treats a file."""

    IGNORED = "ignored"
    NOT_IGNORED = "not ignored"
    TRACKED = "tracked"
    UNKNOWN = "unknown"


def root_of(folder: Path | None) -> Path | None:
    """Return the root of the repository that holds `folder` (absolute), or None.

    The first folder upwards with a `.git` (a folder, or the file of a worktree or submodule) is
    the root. A bare repository and the inside of `.git` have no root.
    """
    if folder is None:
        return None
    for candidate in (folder, *folder.parents):
        if os.path.lexists(candidate / ".git"):
            return candidate
        # Not Path.exists: it raises where access is forbidden.
        if all(os.path.exists(candidate / name) for name in ("HEAD", "objects", "refs")):  # noqa: PTH110
            return None
    return None


def main_checkout_of(root: Path) -> Path | None:
    """Return the root of the main checkout when `root` is a linked worktree, else None."""
    try:
        text = (root / ".git").read_text("utf-8", "replace")
    except OSError:  # a folder: not linked
        return None
    folder = root / text.partition("\n")[0].removeprefix("gitdir: ").strip()
    if folder.parent.name != "worktrees" or folder.parent.parent.name != ".git":
        return None
    return Path(os.path.normpath(folder.parent.parent.parent))


def fault_of(root: Path) -> tuple[str, str]:
    """Return why git cannot be asked about the repository at `root`, and the command that mends it.

    Both are empty when git answers.
    """
    done = _done(root, ("rev-parse", "--git-dir"), _TIMEOUT)
    if done is None:
        return "git is not installed or does not answer", "git --version"
    if done.returncode == 0:
        return "", ""
    if b"dubious ownership" in done.stderr:
        mend = shell("git", "config", "--global", "--add", "safe.directory", root)
        return "git refuses it: dubious ownership, the folder belongs to another user", mend
    return "git does not read it", shell("git", "-C", root, "status")


def file_status(file: Path, root: Path) -> FileStatus:
    """Return how git treats `file` in the repository at `root`; UNKNOWN when git fails."""
    name = os.path.relpath(file, root)
    ignored = _exit_code(root, "check-ignore", "--quiet", "--", name)
    if ignored == 0:
        return FileStatus.IGNORED
    if ignored != 1:
        return FileStatus.UNKNOWN
    tracked = _exit_code(root, "ls-files", "--error-unmatch", "--", f":(literal){name}")
    return FileStatus.TRACKED if tracked == 0 else FileStatus.NOT_IGNORED


def exclude_file_of(root: Path) -> Path | None:
    """Return the ignore file of this clone alone (`.git/info/exclude`), or None when git fails.

    A worktree's `.git` is a file, and its ignore file is that of the main worktree.
    """
    done = output_of(root, "rev-parse", "--git-path", "info/exclude")
    name = os.fsdecode(done).removesuffix("\n") if done else ""
    return root / name if name else None


def output_of(
    root: Path, *arguments: str, good: tuple[int, ...] = (0,), timeout: float = _TIMEOUT
) -> bytes | None:
    """Return the output of git with these arguments in `root`, or None for an exit code not in `good`."""
    done = _done(root, arguments, timeout)
    return done.stdout if done and done.returncode in good else None


def command(root: Path, *arguments: str) -> list[str]:
    """Return the command line of git in `root`, on which settings of the repository start no programs."""
    return [program(os.environ), "--no-pager", "-c", "core.fsmonitor=false", "-C", str(root), *arguments]


def environ() -> dict[str, str]:
    """Return the environment for git: this repository, no network, no prompts."""
    plain = {name: value for name, value in os.environ.items() if name not in _LOCAL_VARIABLES}
    return plain | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "none",
        "LC_ALL": "C",
    }


def program(environ: Mapping[str, str], system: str = os.name) -> str:
    """Return the program to start for git; on Windows its path, or "" when it is not installed.

    Windows looks for a bare name in the current folder first, which may be an untrusted repository.
    """
    if system != "nt":
        return "git"
    folders = [folder for folder in environ.get("PATH", "").split(";") if os.path.isabs(folder)]  # noqa: PTH117
    candidates = [os.path.join(folder, "git.exe") for folder in folders]  # noqa: PTH118
    return next(filter(os.path.isfile, candidates), "")


def _exit_code(root: Path, *arguments: str) -> int | None:
    done = _done(root, arguments, _TIMEOUT)
    return done.returncode if done else None


def _done(root: Path, arguments: tuple[str, ...], timeout: float) -> CompletedProcess[bytes] | None:
    import subprocess

    try:
        return subprocess.run(  # noqa: S603 (a fixed program; no shell reads its arguments)
            command(root, *arguments),
            env=environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
