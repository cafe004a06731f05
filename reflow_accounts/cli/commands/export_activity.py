"""`reflow activity --export FILE`: downloads the activity to a file, with a progress bar on a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from email.message import Message
from pathlib import Path

from reflow_accounts.cli.errors import CommandError, UsageFault
from reflow_accounts.cli.http.client import ApiClient
from reflow_accounts.cli.http.transport import Download
from reflow_accounts.cli.http.user_agent import is_ci
from reflow_accounts.cli.output import is_quiet, is_terminal, tell
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import EXPORT_SIZE_HEADER

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_WIDTH = 30
# The server writes this into the last line when it ends a file early.
_CUT_SHORT = b"This file is not complete."


def checked_path(file: str | None, others: Mapping[str, bool], *, force: bool) -> Path:
    """Return the path of `file` if an export can be written there.

    `others` maps conflicting options to whether they were given. Raises UsageFault for wrong options, and
    CommandError for an existing file without `force`.
    """
    if file is None:
        raise UsageFault("--force goes with --export FILE. Add --export, or leave --force out.")
    for option in (name for name, is_given in others.items() if is_given):
        raise UsageFault(f"--export writes all lines to a file. Leave {option} out.")
    path = Path(file)
    if not file:
        raise UsageFault("--export takes the name of a file, such as activity.jsonl.")
    if file == "-":
        raise UsageFault("--export writes to a file. For stdout, use reflow api /activity/export.")
    with contextlib.suppress(OSError):  # it cannot be examined, which `export` reports
        if path.is_dir():
            raise UsageFault(f"{file} is a folder. Name a file in it: {shell(path / 'activity.jsonl')}")
        if path.exists() and not path.is_file():
            raise CommandError(f"{file} is not a plain file. Choose another name.")
        if os.path.lexists(path) and not force:
            raise CommandError(f"{shell(file)} exists already. Use --force to replace it.")
    return path


def export(client: ApiClient, query: list[tuple[str, str]], path: Path) -> None:
    """Write the activity to `path`: CSV for a name that ends in .csv, else JSON Lines.

    Writes atomically, with mode 0600, and replaces an existing file. Raises CommandError when the file cannot
    be written or the download is incomplete.
    """
    form = "csv" if path.suffix.lower() == ".csv" else "jsonl"
    temporary = path.with_name(f".reflow-export.{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(temporary, _CREATE, 0o600), "wb") as target:
            progress = _Progress()

            def begin(headers: Message) -> None:
                target.seek(0)
                target.truncate()  # an earlier attempt broke off
                progress.begin(headers)

            def write(piece: bytes) -> None:
                target.write(piece)
                progress.add(piece)

            try:
                client.download("/activity/export", [*query, ("format", form)], Download(begin, write))
            finally:
                progress.end()
            target.flush()
            os.fsync(target.fileno())
        if progress.is_cut_short:
            raise CommandError("The server ended the export early. Run the command again.")
        temporary.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror or error}).") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    lines = "1 line was" if progress.lines == 1 else f"{progress.lines:,} lines were"
    tell(f"{lines} written to {path}.")


class _Progress:
    """Counts the lines, and shows a progress bar on stderr if it is a terminal."""

    def __init__(self) -> None:
        self.lines, self._total, self._shown_at, self._end = 0, 0, 0.0, b""
        self._is_shown = is_terminal(sys.stderr) and not is_ci(os.environ) and not is_quiet()

    @property
    def is_cut_short(self) -> bool:
        return _CUT_SHORT in self._end

    def begin(self, headers: Message) -> None:
        self.lines, self._end = 0, b""
        size = headers.get(EXPORT_SIZE_HEADER, "")
        self._total = int(size) if size.isascii() and size.isdecimal() and len(size) < 15 else 0

    def add(self, piece: bytes) -> None:
        self.lines += piece.count(b"\n")
        self._end = (self._end + piece)[-300:]
        if self._is_shown and time.monotonic() - self._shown_at > 0.1:
            self._shown_at = time.monotonic()
            bar = f"{self.lines:,} lines"
            if self._total:
                share = min(1.0, self.lines / self._total)
                filled = int(share * _WIDTH)
                bar = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {share:4.0%}, {bar}"
            self._show(bar)

    def end(self) -> None:
        if self._shown_at:
            self._show(" " * 79 + "\r")

    def _show(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"\r{text}")
            sys.stderr.flush()
