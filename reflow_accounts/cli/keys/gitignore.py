"""Having git ignore a key file: in `.gitignore`, in this clone alone, or not at all, as a person wants it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import click

from reflow_accounts.cli import git
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.output import say

_CHOICES = (
    "  1  in .gitignore, for everybody who works on the repository",
    "  2  in .git/info/exclude, in this clone alone",
    "  3  nowhere: leave it as it is",
)
# No link is followed: git reads none here, and a repository could lead us anywhere by it.
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT
_APPEND |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def ignore_file_for(context: Context, file: Path, root: Path, *, yes: bool) -> Path | None:
    """Return the ignore file that is to name `file`, or None when there is no need or nobody wants it.

    On a terminal a person chooses; `yes` chooses `.gitignore` of `root`.
    """
    if git.standing_of(file, root) is not git.Standing.NOT_IGNORED:
        return None
    if yes:
        return root / ".gitignore"
    return _asked(file, root) if context.may_ask else None


def ignore(context: Context, ignore_file: Path, name: str) -> None:
    """Have git ignore the file called `name` at the root, and say so; a failure is a warning."""
    try:
        _append(ignore_file, f"/{name}\n".encode())
    except OSError as error:
        context.tell(f"warning: {ignore_file} could not be changed ({error.strerror}).")
    else:
        context.tell(f"/{name} was added to {ignore_file}, so that git ignores the file.")


def _asked(file: Path, root: Path) -> Path | None:
    say(f"Git does not ignore {file}, so it could be published. Where shall it be ignored?", *_CHOICES)
    choice = click.prompt("Choose", type=click.Choice(["1", "2", "3"]), default="1", err=True)
    if choice == "2":
        return git.exclude_file_of(root) or root / ".git" / "info" / "exclude"
    return root / ".gitignore" if choice == "1" else None


def _append(file: Path, line: bytes) -> None:
    """Add a line at the end of `file`, which need not be there nor end with a line end. Raises OSError."""
    file.parent.mkdir(exist_ok=True)
    with os.fdopen(os.open(file, _APPEND, 0o666), "rb+") as lines:
        if not stat.S_ISREG(os.fstat(lines.fileno()).st_mode):
            raise OSError(None, "it is not a plain file")
        if lines.seek(0, os.SEEK_END):
            lines.seek(-1, os.SEEK_END)
            line = line if lines.read(1) == b"\n" else b"\n" + line
        lines.write(line)
