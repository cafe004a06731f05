"""`reflow activity --export FILE`: writes the activity to a file while it arrives."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from email.message import Message
from pathlib import Path

from reflow_accounts.cli.errors import CommandError, UsageFault
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.http.transport import Download
from reflow_accounts.cli.output import is_quiet, is_terminal, tell
from reflow_accounts.contract import EXPORT_SIZE_HEADER

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_WIDTH = 30
# Stands in the last line of a file that the server ended early.
_CUT_SHORT = b"This file is not complete."


def export(client: Client, query: list[tuple[str, str]], file: str, *, force: bool) -> None:
    """Write the activity to `file`: CSV for a name that ends in .csv, else JSON Lines.

    The file appears as a whole, readable by its owner alone. Raises UsageFault for an existing file without
    `force`, CommandError when the file cannot be written or the download is incomplete.
    """
    path = Path(file)
    if path.exists() and not force:
        raise UsageFault(f"{file} exists. Choose another name, or add --force to replace it.")
    form = "csv" if path.suffix.lower() == ".csv" else "jsonl"
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(temporary, _CREATE, 0o600), "wb") as target:
            progress = _Progress()

            def write(piece: bytes) -> None:
                target.write(piece)
                progress.add(piece)

            try:
                client.download(
                    "/activity/export", [*query, ("format", form)], Download(progress.begin, write)
                )
            finally:
                progress.end()
            target.flush()
            os.fsync(target.fileno())
        if progress.is_cut_short:
            raise CommandError("The server ended the export early. Run the command again.")
        temporary.replace(path)
    except OSError as error:
        raise CommandError(f"{file} cannot be written ({os.strerror(error.errno or 0)}).") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    tell(f"{progress.lines:,} lines were written to {file}.")


class _Progress:
    """Counts the lines, and on a terminal shows a bar on stderr."""

    def __init__(self) -> None:
        self.lines, self._total, self._shown_at, self._end = 0, 0, 0.0, b""
        self._is_shown = is_terminal(sys.stderr) and not os.environ.get("CI") and not is_quiet()

    @property
    def is_cut_short(self) -> bool:
        return _CUT_SHORT in self._end

    def begin(self, headers: Message) -> None:
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
