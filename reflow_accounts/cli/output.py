"""What the command says: results on stdout, everything else on stderr."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from errno import EBADF
from typing import TYPE_CHECKING

import click

from reflow_accounts.cli.text import clean, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Literal, TextIO


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether a person watches `stream` (None: it was closed before the start)."""
    return stream is not None and stream.isatty()


def width() -> int:
    """Return how many columns a help text may fill: the terminal's, at most 78."""
    try:
        columns = os.get_terminal_size().columns
    except (OSError, ValueError):  # stdout is no terminal or was closed
        columns = 80
    return max(min(columns, 80) - 2, 50)


def say(*lines: str) -> None:
    """Write `lines` to stderr, one line each, without secrets and control characters."""
    try:
        for line in lines:
            click.echo(redacted(clean(line)), err=True)
    except OSError:  # nobody listens
        _give_up(sys.stderr)


def result(line: str) -> None:
    """Write one line to stdout. Raises OSError, also when there is no stdout."""
    if sys.stdout is None:  # closed before the start
        raise OSError(EBADF, "there is no stdout")
    click.echo(line)


def give_up_stdout() -> None:
    """Forget what stdout could not take, so that Python does not complain about it at the end."""
    _give_up(sys.stdout)


def _give_up(stream: TextIO | None) -> None:
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]


def document(answer: Any) -> None:
    """Write an answer of the API to stdout as JSON, the same values that the server sent.

    Characters that could steer a terminal are written as JSON escapes.
    """
    result(_json(answer, indent=2))


def document_line(answer: Any) -> None:
    """Write one JSON document on one line, as `document` does."""
    result(_json(answer, indent=None))


def _json(answer: Any, indent: int | None) -> str:
    import json

    text = json.dumps(answer, ensure_ascii=False, indent=indent)
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Write labels and values: aligned on a terminal, tab-separated elsewhere."""
    pairs = list(pairs)
    width = max((len(label) for label, _ in pairs), default=0) + 2
    on_terminal = is_terminal(sys.stdout)
    for label, value in pairs:
        start = label.ljust(width) if on_terminal else f"{label}\t"
        result(start + clean(value))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows: a table with `headings` on a terminal, bare tab-separated lines elsewhere."""
    cells = [[clean(cell) for cell in row] for row in rows]
    if is_terminal(sys.stdout):
        _draw(headings, cells)
        return
    for row in cells:
        result("\t".join(row))


def row_alone(cells: Iterable[object]) -> None:
    """Write one row of a list that goes on: apart by spaces on a terminal, by tabs elsewhere."""
    words = [clean(cell) for cell in cells]
    result("  ".join(filter(None, words)) if is_terminal(sys.stdout) else "\t".join(words))


def _draw(headings: Sequence[str], rows: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        grid.add_column(heading, overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))  # Text: a name is no markup
    # https://no-color.org: no colours, and here nothing bold either.
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    Console(highlight=False, color_system=colours).print(grid)


def moment(time: object, *, seconds: bool = False) -> str:
    """Return an RFC 3339 time of the API for reading: whole, but to the minute (or second) on a terminal."""
    words = clean(time)
    return words[: 19 if seconds else 16].replace("T", " ") if is_terminal(sys.stdout) else words
