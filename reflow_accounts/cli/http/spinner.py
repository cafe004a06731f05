"""Shows a line on the terminal while an answer takes more than a second, and removes it afterwards."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from reflow_accounts.cli.output import is_quiet, is_terminal

if TYPE_CHECKING:
    from threading import Timer

AFTER = 1.0  # seconds


class Spinner:
    """`with Spinner(server, since):` shows the line a second after `since` (monotonic; default: now).

    `server` may also be the name of a program. Nothing is shown, and no thread is started, without a
    terminal, in CI or with --quiet.
    """

    def __init__(self, server: str, since: float | None = None) -> None:
        self._line = f"Still waiting for {server} ..."
        self._since = time.monotonic() if since is None else since
        self._timer: Timer | None = None

    def __enter__(self) -> None:
        if not is_terminal(sys.stderr) or os.environ.get("CI") or is_quiet():
            return
        from threading import Lock, Timer

        self._shown, self._is_over, self._lock = "", False, Lock()
        self._timer = Timer(max(0.0, self._since + AFTER - time.monotonic()), self._show)
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            if self._shown:
                _write(f"\r{' ' * len(self._shown)}\r")

    def _show(self) -> None:
        columns = 80
        with suppress(OSError, ValueError):
            columns = max(2, os.get_terminal_size(sys.stderr.fileno()).columns or 80)
        with self._lock:
            if not self._is_over:
                self._shown = self._line[: columns - 1]  # a longer line would wrap and stay
                _write(self._shown)


def _write(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
