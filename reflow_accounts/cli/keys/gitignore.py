"""Keeps git from publishing a key file: warnings, commands to show, and adding it to an ignore file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import click

from reflow_accounts.cli import git
from reflow_accounts.cli.errors import CommandError
from reflow_accounts.cli.output import say, tell
from reflow_accounts.cli.text import shell

_CHOICES = (
    "  1  in .gitignore, for everybody who works on the repository",
    "  2  in .git/info/exclude, in this clone only",
    "  3  nowhere: leave it as it is",
)
# Links are not followed: git does not read a linked ignore file, and a repository could point it anywhere.
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT
_APPEND |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def git_warnings(file: Path, root: Path) -> list[str]:
    """Return a warning as lines when git would publish `file` of the repository at `root`, else an empty list."""
    status = git.file_status(file, root)
    name = file.relative_to(root).as_posix()
    if status is git.FileStatus.TRACKED:
        return [
            f"warning: {file} is tracked by git. Take it out, and revoke the key if it was ever pushed:",
            f"    {untrack_command(root, name)}",
            f"    {ignore_command(root, name)}",
        ]
    if status is git.FileStatus.NOT_IGNORED:
        return [
            f"warning: {file} is not ignored by git and could be published. Fix it:",
            f"    {ignore_command(root, name)}",
        ]
    if status is git.FileStatus.UNKNOWN:
        fault, fix = git.fault_of(root)
        return [
            f"warning: git cannot be asked whether it ignores {file} ({fault}). Fix it:",
            f"    {fix}",
        ]
    return []


def untrack_command(root: Path, name: str) -> str:
    """Return the command that removes the file called `name` in `root` from git, but not from the disk."""
    return shell("git", "-C", root, "rm", "--cached", name)


def ignore_command(root: Path, name: str) -> str:
    """Return the command that makes git ignore the file called `name` in `root`.

    It changes `.gitignore`, or the ignore file of this clone when a line cannot be added there.
    """
    ignore_file = root / ".gitignore"
    is_plain = ignore_file.is_file() and not ignore_file.is_symlink()  # git does not read links
    if os.path.lexists(ignore_file) and not (is_plain and os.access(ignore_file, os.W_OK)):
        ignore_file = exclude_file(root)
    if os.name == "nt":  # PowerShell's own echo would write UTF-16
        return shell("Add-Content", ignore_file, f"/{name}")
    line = shell(f"/{name}")
    try:
        content = ignore_file.read_bytes()
    except OSError:
        content = b""
    if content and not content.endswith(b"\n"):
        return f"printf '\\n%s\\n' {line} >> {shell(ignore_file)}"
    return f"echo {line} >> {shell(ignore_file)}"


def choose_ignore_file(file: Path, root: Path, *, yes: bool, may_ask: bool) -> Path | None:
    """Return the ignore file to add `file` to, or None when git ignores it already or the user declines.

    `yes` chooses `.gitignore` of `root`, also when git fails; otherwise the user is asked if `may_ask`. With
    `yes`, raises CommandError for a file that git tracks: no ignore file would help.
    """
    status = git.file_status(file, root)
    if yes and status is git.FileStatus.TRACKED:
        name = file.relative_to(root).as_posix()
        raise CommandError(
            f"{file} is tracked by git, so the key could be published. No key was created. Take it out:",
            f"    {untrack_command(root, name)}",
        )
    if status in (git.FileStatus.IGNORED, git.FileStatus.TRACKED):
        return None
    is_unknown = status is git.FileStatus.UNKNOWN
    if yes:
        is_listed = is_unknown and _is_listed(file.name, root / ".gitignore")
        return None if is_listed else root / ".gitignore"
    if not may_ask or is_unknown:
        return None
    say(f"Git does not ignore {file}, so it could be published. Where should it be ignored?", *_CHOICES)
    choice = click.prompt("Choose", type=click.Choice(["1", "2", "3"]), default="1", err=True)
    if choice == "2":
        return exclude_file(root)
    return root / ".gitignore" if choice == "1" else None


def _is_listed(name: str, ignore_file: Path) -> bool:
    """Return whether the last rule in `ignore_file` that names the file `name` ignores it."""
    try:
        rules = ignore_file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    own = [rule.strip() for rule in rules if rule.strip().lstrip("!/") == name]
    return bool(own) and not own[-1].startswith("!")


def exclude_file(root: Path) -> Path:
    """Return the ignore file of this clone only."""
    return git.exclude_file_of(root) or root / ".git" / "info" / "exclude"


def add_to_ignore_file(ignore_file: Path, file: Path, root: Path) -> None:
    """Make git ignore `file` at the root of its repository, and report it.

    Raises CommandError when git does not ignore the file afterwards. Call it before a key is created.
    """
    try:
        _append(ignore_file, f"/{file.name}\n".encode())
    except OSError as error:
        raise CommandError(
            f"{ignore_file} could not be changed ({error.strerror}), so git would not ignore {file}. "
            "No key was created. Make git ignore it, and run the command again:",
            f"    {ignore_command(root, file.name)}",
        ) from None
    if git.file_status(file, root) is git.FileStatus.NOT_IGNORED:
        raise CommandError(
            f"Git does not ignore {file}, although {ignore_file} has /{file.name}: another rule overrides it. "
            "No key was created."
        )
    tell(f"/{file.name} was added to {ignore_file}, so that git ignores the file.")


def _append(file: Path, line: bytes) -> None:
    """Append a line to `file`, which may be missing or lack a final newline. Raises OSError."""
    file.parent.mkdir(exist_ok=True)
    with os.fdopen(os.open(file, _APPEND, 0o666), "rb+") as lines:
        if not stat.S_ISREG(os.fstat(lines.fileno()).st_mode):
            raise OSError(None, "it is not a plain file")
        if lines.seek(0, os.SEEK_END):
            lines.seek(-1, os.SEEK_END)
            line = line if lines.read(1) == b"\n" else b"\n" + line
        lines.write(line)
