"""The result of a check: its state, a description, and the command that fixes the problem."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from reflow_accounts.cli.text import clean, redact, shell


class Severity(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """One line of the report. `mend` is the command or instruction that fixes the problem, or "" without one."""

    check: str
    state: Severity
    detail: str
    mend: str = ""

    @property
    def as_dict(self) -> dict[str, str]:
        """The finding without secrets and control characters."""
        return {name: redact(clean(value)) for name, value in self._asdict().items()}


Findings = Iterator[Finding]


def ok(check: str, detail: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(check, Severity.OK, detail)


def warning(check: str, detail: str, mend: str) -> Finding:
    """Return a finding about a possible or future problem."""
    return Finding(check, Severity.WARNING, detail, mend)


def error(check: str, detail: str, mend: str) -> Finding:
    """Return a finding about a problem."""
    return Finding(check, Severity.ERROR, detail, mend)


def check_mode(path: Path, allowed: int) -> Finding:
    """Check that the file or folder at `path` grants no more than the mode `allowed`."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as fault:
        return warning("mode", f"{path} cannot be checked ({fault.strerror})", shell("ls", "-l", path))
    if os.name != "posix" or not mode & ~allowed & 0o077:
        return ok("mode", f"{path} is {mode:04o}")
    return warning("mode", f"{path} is open to others ({mode:04o})", shell("chmod", f"{allowed:o}", path))
