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
# Git sets these for hooks; with them it would use another repository.
_LOCAL_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")


class FileStatus(Enum):
    """How git treats a file."""

    IGNORED = "ignored"
    NOT_IGNORED = "not ignored"
    TRACKED = "tracked"
    UNKNOWN = "unknown"


def root_of(folder: Path | None) -> Path | None:
    """Return the root of the repository that holds `folder` (absolute), or None.

    The root is the first folder upwards with a `.git` (a folder, or the file of a worktree or
    submodule). A bare repository and the inside of `.git` have no root.
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
    """Return why git fails in the repository at `root`, and the command that fixes it; both "" if git works."""
    completed = _run(root, ("rev-parse", "--git-dir"), _TIMEOUT)
    if completed is None:
        return "git is not installed or does not answer", "git --version"
    if completed.returncode == 0:
        return "", ""
    if b"dubious ownership" in completed.stderr:
        fix = shell("git", "config", "--global", "--add", "safe.directory", root)
        return "git refuses it: dubious ownership, the folder belongs to another user", fix
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
    """Return the ignore file of this clone (`.git/info/exclude`), or None when git fails.

    A linked worktree uses the ignore file of the main worktree.
    """
    output = output_of(root, "rev-parse", "--git-path", "info/exclude")
    name = os.fsdecode(output).removesuffix("\n") if output else ""
    return root / name if name else None


def output_of(
    root: Path, *arguments: str, good: tuple[int, ...] = (0,), timeout: float = _TIMEOUT
) -> bytes | None:
    """Return the output of git with these arguments in `root`, or None for an exit code not in `good`."""
    completed = _run(root, arguments, timeout)
    return completed.stdout if completed and completed.returncode in good else None


def command(root: Path, *arguments: str) -> list[str]:
    """Return the git command line for `root`, with which settings of the repository start no programs."""
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
    """Return the git program to run; on Windows its path, or "" when it is not installed.

    Windows looks for a bare name in the current folder first, which may be an untrusted repository.
    """
    if system != "nt":
        return "git"
    folders = [folder for folder in environ.get("PATH", "").split(";") if os.path.isabs(folder)]  # noqa: PTH117
    candidates = [os.path.join(folder, "git.exe") for folder in folders]  # noqa: PTH118
    return next(filter(os.path.isfile, candidates), "")


def _exit_code(root: Path, *arguments: str) -> int | None:
    completed = _run(root, arguments, _TIMEOUT)
    return completed.returncode if completed else None


def _run(root: Path, arguments: tuple[str, ...], timeout: float) -> CompletedProcess[bytes] | None:
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
