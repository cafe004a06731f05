"""Searches the last commits of a repository for keys, with limits of time and size."""

from __future__ import annotations

import re
import subprocess
import threading
from pathlib import Path
from typing import IO

from reflow_accounts.cli import git
from reflow_accounts.contract import KEY_FILE_NAME, SECRET_LENGTH, is_well_formed

COMMITS = 100
SECONDS = 10
LARGEST = 64 * 1024 * 1024  # bytes of patches
LONGEST_LINE = 64 * 1024

_COMMIT = b"\x01"
# Settings of the repository start no programs: no signatures, external diffs or text conversions.
_LOG = [
    *("log", "-n", str(COMMITS), "-p", "--cc", "--format=%x01%h%n%B", "--no-color", "--no-ext-diff"),
    *("--no-textconv", "--no-show-signature", "--no-renames", "--no-mailmap", "--text", "HEAD", "--"),
]
_SECRET = re.compile(rb"rf[ks]_[0-9A-Za-z]{49}(?![0-9A-Za-z])")
_FILE = re.compile(rb'^\+\+\+ "?b/(?:.*/)?((?:reflow|api|[^/]*)\.key)"?\t?$')


class History:
    """The result: `secrets` and `files` with the newest commit of each; `whole` is false when a limit was reached."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.secrets: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.whole = True
        self.failed = False
        self._commit = ""
        self._file, self._added = "", b""

    def read(self) -> None:
        """Read the patches of the last commits, added and removed lines: the history contains both."""
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
            for found in _SECRET.findall(before + line):
                if is_well_formed(found.decode()):
                    self.secrets.setdefault(found.decode(), self._commit)
                    self._file = ""  # reported by its secret
            self._track_files(line.rstrip(b"\r\n"))
            # A line longer than the buffer: keep what may be the beginning of a secret.
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
        """Report a key file that was added without a readable secret."""
        name, self._file = self._file, ""
        is_named = name in (KEY_FILE_NAME, "api.key")
        is_others = b"-----BEGIN" in self._added or b"\0" in self._added or not self._added.strip()
        if name and (is_named or not is_others):
            self.files.setdefault(name, self._commit)
