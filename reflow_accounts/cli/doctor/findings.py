"""What a check found: how bad it is, in words, and the command that mends it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from reflow_accounts.cli.text import clean, redacted, shell


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """One line of the report. `mend` is a command, or what else to do; empty when there is nothing to mend."""

    check: str
    state: State
    detail: str
    mend: str = ""

    @property
    def shown(self) -> dict[str, str]:
        """The finding without what could be a secret or steer a terminal."""
        return {name: redacted(clean(value)) for name, value in self._asdict().items()}


Findings = Iterator[Finding]


def ok(check: str, detail: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(check, State.OK, detail)


def warning(check: str, detail: str, mend: str) -> Finding:
    """Return a finding that will be trouble, or may be."""
    return Finding(check, State.WARNING, detail, mend)


def error(check: str, detail: str, mend: str) -> Finding:
    """Return a finding that is trouble."""
    return Finding(check, State.ERROR, detail, mend)


def mode_of(path: Path, wanted: int) -> Finding:
    """Say whether the file or folder at `path` has no more than the mode `wanted`."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as fault:
        return warning("mode", f"{path} cannot be looked at ({fault.strerror})", shell("ls", "-l", path))
    if os.name != "posix" or not mode & ~wanted & 0o077:
        return ok("mode", f"{path} is {mode:04o}")
    return warning("mode", f"{path} is open to others ({mode:04o})", shell("chmod", f"{wanted:o}", path))
