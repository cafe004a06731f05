"""Writes results to stdout and all other messages to stderr, also the line shown while an answer is slow."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from errno import EBADF
from typing import TYPE_CHECKING

import click

from reflow_accounts.cli.text import clean, redact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from threading import Timer
    from typing import Any, TextIO

_QUIET = "reflow_accounts.cli.quiet"

SPINNER_AFTER = 1.0  # seconds


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether `stream` is a terminal. None is a stream that was closed before the start."""
    return stream is not None and stream.isatty()


def help_width() -> int:
    """Return the width of a help text in columns: that of the terminal, at most 78."""
    try:
        columns = os.get_terminal_size().columns
    except (OSError, ValueError):  # stdout is no terminal or was closed
        columns = 80
    return max(min(columns, 80) - 2, 50)


def say(*lines: str) -> None:
    """Write `lines` to stderr, one per line, without secrets and control characters."""
    try:
        for line in lines:
            click.echo(redact(clean(line)), err=True)
    except OSError:  # stderr is closed
        _discard(sys.stderr)


def tell(*lines: str) -> None:
    """Write hints and warnings to stderr as `say` does, unless --quiet was given."""
    if not is_quiet():
        say(*lines)


def be_quiet(ctx: click.Context) -> None:
    """Suppress hints and warnings for this run of the command."""
    ctx.meta[_QUIET] = True


def is_quiet() -> bool:
    """Return whether hints and warnings are suppressed."""
    ctx = click.get_current_context(silent=True)
    return bool(ctx and ctx.meta.get(_QUIET))


def result(line: str) -> None:
    """Write one line to stdout. Raises OSError, also when there is no stdout."""
    if sys.stdout is None:  # closed before the start
        raise OSError(EBADF, "there is no stdout")
    click.echo(line)


def discard_stdout() -> None:
    """Discard unwritten output, so that Python does not report it at exit."""
    _discard(sys.stdout)


def _discard(stream: TextIO | None) -> None:
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]


def document(data: Any, *, indent: int | None = 2) -> None:
    """Write an answer of the API to stdout as JSON, with unchanged values.

    Characters that could control a terminal are written as JSON escapes.
    """
    import json

    text = json.dumps(data, ensure_ascii=False, indent=indent)
    result("".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text))


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Write labels and values: aligned on a terminal, tab-separated elsewhere."""
    pairs = list(pairs)
    width = max((len(label) for label, _ in pairs), default=0) + 2
    on_terminal = is_terminal(sys.stdout)
    for label, value in pairs:
        start = label.ljust(width) if on_terminal else f"{label}\t"
        result(start + clean(value))


def row_alone(cells: Iterable[object]) -> None:
    """Write one row of an endless list: space-separated on a terminal, tab-separated elsewhere."""
    texts = [clean(cell) for cell in cells]
    result("  ".join(filter(None, texts)) if is_terminal(sys.stdout) else "\t".join(texts))


def moment(time: object, *, seconds: bool = False) -> str:
    """Return an RFC 3339 time of the API for display: unchanged, or to the minute (second) on a terminal."""
    text = clean(time)
    return text[: 19 if seconds else 16].replace("T", " ") if is_terminal(sys.stdout) else text


class Spinner:
    """`with Spinner(server, since):` shows "Still waiting" a second after `since` (monotonic; default: now).

    `server` may also be the name of a program. Without a terminal, in CI and with --quiet, nothing is shown
    and no thread is started.
    """

    def __init__(self, server: str, since: float | None = None) -> None:
        self._line = f"Still waiting for {server} ..."
        self._since = time.monotonic() if since is None else since
        self._timer: Timer | None = None

    def __enter__(self) -> None:
        from reflow_accounts.cli.http.user_agent import is_ci

        if not is_terminal(sys.stderr) or is_ci(os.environ) or is_quiet():
            return
        from threading import Lock, Timer

        self._shown, self._is_over, self._lock = "", False, Lock()
        self._timer = Timer(max(0.0, self._since + SPINNER_AFTER - time.monotonic()), self._show)
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
