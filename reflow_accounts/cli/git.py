"""Where the root of a git repository is, and what git says of the files in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subprocess import CompletedProcess

_TIMEOUT = 3  # seconds
# What git sets for hooks; it would answer for another repository.
_LOCAL_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")


class Standing(Enum):
    """What git thinks of a file."""

    IGNORED = "ignored"
    NOT_IGNORED = "not ignored"
    TRACKED = "tracked"
    UNKNOWN = "unknown"


def root_of(folder: Path | None) -> Path | None:
    """Return the root of the repository that holds `folder` (absolute), or None.

    The first folder upwards with a `.git` (a folder, or the file of a worktree or submodule) is
    the root. A bare repository and the inside of `.git` have none.
    """
    if folder is None:
        return None
    for candidate in (folder, *folder.parents):
        if os.path.lexists(candidate / ".git"):
            return candidate
        if _is_git_folder(candidate):
            return None
    return None


def _is_git_folder(folder: Path) -> bool:
    # Not Path.exists: it raises where looking is forbidden.
    return all(os.path.exists(folder / name) for name in ("HEAD", "objects", "refs"))  # noqa: PTH110


def standing_of(file: Path, root: Path) -> Standing:
    """Ask git how it treats `file` in the repository at `root`; UNKNOWN when git cannot say."""
    name = os.path.relpath(file, root)
    ignored = _exit_code(root, "check-ignore", "--quiet", "--", name)
    if ignored == 0:
        return Standing.IGNORED
    if ignored != 1:
        return Standing.UNKNOWN
    tracked = _exit_code(root, "ls-files", "--error-unmatch", "--", f":(literal){name}")
    return Standing.TRACKED if tracked == 0 else Standing.NOT_IGNORED


def exclude_file_of(root: Path) -> Path | None:
    """Return the ignore file of this clone alone (`.git/info/exclude`), or None when git cannot say.

    A worktree's `.git` is a file, and its ignore file is that of the main one.
    """
    done = output_of(root, "rev-parse", "--git-path", "info/exclude")
    name = os.fsdecode(done).removesuffix("\n") if done else ""
    return root / name if name else None


def output_of(
    root: Path, *words: str, good: tuple[int, ...] = (0,), timeout: float = _TIMEOUT
) -> bytes | None:
    """Return what git says to these words in `root`, or None when it fails with an exit code not in `good`."""
    done = _done(root, words, timeout)
    return done.stdout if done and done.returncode in good else None


def command(root: Path, *words: str) -> list[str]:
    """Return the command that asks git in `root`: a repository's own settings run no programs for it."""
    return [program(os.environ), "--no-pager", "-c", "core.fsmonitor=false", "-C", str(root), *words]


def environ() -> dict[str, str]:
    """Return the environment in which git is asked: about this repository, without the network or a question."""
    plain = {name: value for name, value in os.environ.items() if name not in _LOCAL_VARIABLES}
    return plain | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "none"}


def program(environ: Mapping[str, str], system: str = os.name) -> str:
    """Return what to start as git; on Windows its path, or "" when it is not installed.

    There a bare name is looked for in the current folder first, and that may be anybody's repository.
    """
    if system != "nt":
        return "git"
    folders = [folder for folder in environ.get("PATH", "").split(";") if os.path.isabs(folder)]  # noqa: PTH117
    candidates = [os.path.join(folder, "git.exe") for folder in folders]  # noqa: PTH118
    return next(filter(os.path.isfile, candidates), "")


def _exit_code(root: Path, *words: str) -> int | None:
    done = _done(root, words, _TIMEOUT)
    return done.returncode if done else None


def _done(root: Path, words: tuple[str, ...], timeout: float) -> CompletedProcess[bytes] | None:
    import subprocess

    try:
        return subprocess.run(  # noqa: S603 (a fixed program; no shell reads its arguments)
            command(root, *words),
            env=environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
