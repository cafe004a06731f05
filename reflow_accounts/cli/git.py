"""Where the root of a git repository is, and whether git keeps a file out of it."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

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


def _exit_code(root: Path, *words: str) -> int | None:
    import subprocess

    environ = {name: value for name, value in os.environ.items() if name not in _LOCAL_VARIABLES}
    # A repository's own settings must not run programs for such a question.
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), *words]
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(  # noqa: S603 (a fixed program; no shell reads its arguments)
            command, env=environ, stdin=quiet, stdout=quiet, stderr=quiet, timeout=_TIMEOUT, check=False
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.returncode
