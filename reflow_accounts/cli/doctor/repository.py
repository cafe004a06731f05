"""Checks a git repository: key files that are tracked or not ignored, and keys in the last commits."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from reflow_accounts.cli import git
from reflow_accounts.cli.doctor.account import KnownKey
from reflow_accounts.cli.doctor.findings import Finding, Findings, error, ok, warning
from reflow_accounts.cli.keys.gitignore import ignore_command, untrack_command
from reflow_accounts.cli.output import Spinner
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import KEY_FILE_NAME, SECRET_LENGTH, is_well_formed

Keys = Callable[[], list[KnownKey]]

SECONDS = 10  # for each git command
OURS = (KEY_FILE_NAME, "api.key")
SECRET = rb"rf[ks]_[0-9A-Za-z]{49}"
# Other programs use *.key too; a file with this text has no key of Reflow.
_OF_OTHERS = b"-----BEGIN"

COMMITS = 100
LARGEST = 64 * 1024 * 1024  # bytes of patches
LONGEST_LINE = 64 * 1024

_COMMIT = b"\x01"
# No signatures, external diffs or text conversions: settings of the repository must not start programs.
_LOG = [
    *("log", "-n", str(COMMITS), "-p", "--cc", "--format=%x01%h%n%B", "--no-color", "--no-ext-diff"),
    *("--no-textconv", "--no-show-signature", "--no-renames", "--no-mailmap", "--text", "HEAD", "--"),
]
_SECRET = re.compile(SECRET + rb"(?![0-9A-Za-z])")
_FILE = re.compile(rb'^\+\+\+ "?b/(?:.*/)?((?:reflow|api|[^/]*)\.key)"?\t?$')


class History:
    """Finds secrets and key files in the last commits.

    `secrets` and `files` map each to its newest commit. `whole` is false when a limit was reached.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.secrets: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.whole = True
        self.failed = False
        self._commit = ""
        self._file, self._added = "", b""

    def read(self) -> None:
        """Read the added and removed lines of the last commits."""
        if git.output_of(self.root, "rev-parse", "--verify", "--quiet", "HEAD", good=(0, 1)) == b"":
            return  # nothing was committed yet
        try:
            process = subprocess.Popen(  # noqa: S603 (a fixed program; no shell reads its arguments)
                git.command(self.root, "-c", "core.quotePath=false", *_LOG),
                env=git.environ(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            self.failed = True
            return
        timer = threading.Timer(SECONDS, self._stop, [process])
        timer.start()
        with process:
            assert process.stdout
            self._read_lines(process.stdout, process)
            code = process.wait()
        timer.cancel()
        self.failed = bool(code) and self.whole

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        self.whole = False
        process.kill()

    def _read_lines(self, lines: IO[bytes], process: subprocess.Popen[bytes]) -> None:
        size, before = 0, b""
        while line := lines.readline(LONGEST_LINE):
            size += len(line)
            if size > LARGEST:
                self._stop(process)
                break
            for secret in _SECRET.findall(before + line):
                if is_well_formed(secret.decode()):
                    self.secrets.setdefault(secret.decode(), self._commit)
                    self._file = ""  # reported by its secret
            self._track_files(line.rstrip(b"\r\n"))
            # In a line longer than the buffer, a secret may continue in the next piece.
            before = b"" if line.endswith(b"\n") else line[-SECRET_LENGTH:]
        self._end_file()

    def _track_files(self, line: bytes) -> None:
        if line.startswith(_COMMIT):
            self._end_file()
            self._commit = line[1:].decode("ascii", "replace")
        elif line.startswith((b"diff --git ", b"diff --cc ")):
            self._end_file()
        elif match := _FILE.match(line):
            self._file, self._added = match[1].decode(errors="replace"), b""
        elif self._file and line.startswith(b"+") and len(self._added) < LONGEST_LINE:
            self._added += line[1:] + b"\n"

    def _end_file(self) -> None:
        """Keep the name of a key file that was added without a readable secret."""
        name, self._file = self._file, ""
        if name and _may_hold_key(name, self._added):
            self.files.setdefault(name, self._commit)


def repository_findings(root: Path | None, keys: Keys) -> Findings:
    """Check the repository at `root`; `keys` returns the keys that the server lists."""
    if root is None:
        yield ok("git files", "this folder is in no git repository")
        return
    with Spinner("git"):
        tracked, loose = _list_files(root, "--cached"), _list_files(root, "--others", "--exclude-standard")
    if tracked is None or loose is None:
        fault, fix = git.fault_of(root)
        detail = f"git cannot be asked about {root}{f': {fault}' if fault else ''}"
        yield warning("git files", detail, fix or shell("git", "-C", root, "status"))
        return
    with Spinner("git"):
        # Files, tracked or not ignored, that contain text like a secret.
        grep = ("grep", "--untracked", "--no-recurse-submodules", "-l", "-z", "-a", "-E", SECRET.decode())
        names = git.output_of(root, *grep, good=(0, 1), timeout=SECONDS) or b""
    matching = {os.fsdecode(name) for name in names.split(b"\0") if name}
    findings = []
    for name in (name for name in tracked if _is_key(root, name, matching)):
        fix = f"{untrack_command(root, name)} && {ignore_command(root, name)}"
        detail = f"{root / name} is tracked by git; revoke its key if it was ever pushed"
        findings.append(error("git files", detail, fix))
    for name in (name for name in loose if _is_key(root, name, matching)):
        detail = f"{root / name} is not ignored by git and could be published"
        findings.append(warning("git files", detail, ignore_command(root, name)))
    yield from findings or [ok("git files", f"no key file in {root} is tracked or could be published")]
    yield from _check_history(root, keys)


def _list_files(root: Path, *options: str) -> list[str] | None:
    """Return the files that git lists, or None when git fails."""
    listed = git.output_of(root, "ls-files", *options, "-z", timeout=SECONDS)
    return None if listed is None else [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _is_key(root: Path, name: str, matching: set[str]) -> bool:
    """Return whether a file contains a key, or may contain one by its name."""
    file = root / name
    if name not in matching and not file.name.endswith(".key"):
        return False
    try:
        # Links are not read: git stores only their path, and they could lead to an endless device.
        start = b""
        if stat.S_ISREG(os.lstat(file).st_mode):
            with file.open("rb") as content:
                start = content.read(1 << 20)
    except OSError:
        return file.name in OURS
    if any(is_well_formed(secret.decode()) for secret in re.findall(SECRET, start)):
        return True
    return _may_hold_key(file.name, start)


def _may_hold_key(name: str, content: bytes) -> bool:
    """Return whether a file that contains no whole key is one of ours, or may hold a truncated key."""
    # Not empty, binary or the key of another program.
    is_plausible = _OF_OTHERS not in content and b"\0" not in content and bool(content.strip())
    return name in OURS or (name.endswith(".key") and is_plausible)


def _check_history(root: Path, keys: Keys) -> Findings:
    history = History(root)
    with Spinner("git"):
        history.read()
    if history.failed:
        yield warning("git history", "git does not show its history", shell("git", "-C", root, "log"))
        return
    extent = (
        f"the last {COMMITS} commits"
        if history.whole
        else "the newest commits, within limits of time and size,"
    )
    known = keys() if history.secrets else []
    findings = [_secret_in(commit, secret, known) for secret, commit in history.secrets.items()]
    for name, commit in history.files.items():
        detail = f"commit {commit} holds the file {name}; revoke the key that was in it"
        findings.append(warning("git history", detail, "reflow keys revoke NAME_OR_ID"))
    yield from findings or [ok("git history", f"{extent} hold no key")]


def _secret_in(commit: str, secret: str, keys: list[KnownKey]) -> Finding:
    hint = secret[-4:]
    known = [key for key in keys if key.hint == hint]
    detail = f"commit {commit} holds a key that ends in {hint}"
    for key in known:
        if key.is_live:
            live = f"and {key.whose} is live: every copy of the repository contains it"
            return error("git history", f"{detail}, {live}", key.revoke_command)
    if known:
        return ok("git history", f"{detail}, which was revoked or has ended")
    return error("git history", f"{detail}; revoke it, if it is not yet", "reflow keys revoke NAME_OR_ID")
