"""Warnings about secrets that lie open, each with the command that mends it."""

from __future__ import annotations

import os
from pathlib import Path

from reflow_accounts.cli import git
from reflow_accounts.cli.credentials import Kind, Place
from reflow_accounts.cli.http.server_address import is_exposed
from reflow_accounts.cli.secret_file import is_open_to_others
from reflow_accounts.cli.text import shell


def cautions_for(places: list[Place], server: str) -> list[str]:
    """Return the lines to warn with, for the credentials found and the server they are meant for."""
    lines = []
    for place in places:
        if place.path and is_open_to_others(place.path):
            lines += [
                f"warning: {place.path} can be read by others. Mend it:",
                _command("chmod", "600", place.path),
            ]
        if place.path and place.kind is Kind.REPOSITORY:
            lines += cautions_for_git(place.path, place.path.parent)
    if places and is_exposed(server):
        lines.append(f"warning: your secret travels unencrypted to {server}. Use https:// with --server.")
    return lines


def cautions_for_git(file: Path, root: Path) -> list[str]:
    """Return the lines to warn with when git would publish `file` of the repository at `root`."""
    standing = git.standing_of(file, root)
    name = file.relative_to(root).as_posix()
    if standing is git.Standing.TRACKED:
        return [
            f"warning: {file} is tracked by git. Take it out, and revoke the key if it was ever pushed:",
            f"    {untrack_command(root, name)}",
            f"    {ignore_command(root, name)}",
        ]
    if standing is git.Standing.NOT_IGNORED:
        return [
            f"warning: {file} is not ignored by git and could be published. Mend it:",
            f"    {ignore_command(root, name)}",
        ]
    return []


def untrack_command(root: Path, name: str) -> str:
    """Return the command that has git forget the file called `name` in `root`, and keeps it there."""
    return shell("git", "-C", root, "rm", "--cached", name)


def ignore_command(root: Path, name: str) -> str:
    """Return the command that has git ignore the file called `name` in `root`."""
    ignore_file = root / ".gitignore"
    if os.name == "nt":  # PowerShell's own echo would write UTF-16 there
        return shell("Add-Content", ignore_file, f"/{name}")
    if ignore_file.is_symlink():  # git reads none here
        ignore_file = git.exclude_file_of(root) or root / ".git" / "info" / "exclude"
    line = shell(f"/{name}")
    if _lacks_last_line_end(ignore_file):
        return f"printf '\\n%s\\n' {line} >> {shell(ignore_file)}"
    return f"echo {line} >> {shell(ignore_file)}"


def _lacks_last_line_end(file: Path) -> bool:
    try:
        content = file.read_bytes()
    except OSError:
        return False
    return bool(content) and not content.endswith(b"\n")


def _command(*words: object) -> str:
    return "    " + shell(*words)
