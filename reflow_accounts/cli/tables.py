"""Tables that fit the terminal: one line for each row, a list on a narrow screen, tab-separated lines in a pipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from reflow_accounts.cli.output import is_terminal, result
from reflow_accounts.cli.text import clean

# In columns of the terminal:
WIDE = 100  # from this width on, ids are shown
NARROW = 50  # below this width, each row is a list
SHORTEST = 10  # the least that a shortened text keeps
_GAP = "  "
_UNITS = ((365 * 86400, "year"), (30 * 86400, "month"), (86400, "day"), (3600, "hour"), (60, "minute"))


class Column(NamedTuple):
    """A column. Only text is shortened; a narrow terminal leaves out the column with the highest `rank` first."""

    heading: str
    is_text: bool = False
    rank: int = 0


ID = Column("Id")


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> None:
    """Write rows: tab-separated lines without headings, or on a terminal a table that fits its width.

    A terminal shows ids last, from WIDE columns on. Below NARROW columns each row is a list.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    if not is_terminal(sys.stdout):
        for row in cells:
            result("\t".join(row))
        return
    width = shutil.get_terminal_size().columns
    visible = [number for number, column in enumerate(columns) if column is not ID]
    if width < NARROW:
        _list([(columns[number].heading, [row[number] for row in cells]) for number in visible], width)
        return
    if width >= WIDE:
        visible += [number for number, column in enumerate(columns) if column is ID]
    _draw(
        [columns[number] for number in visible], [[row[number] for number in visible] for row in cells], width
    )


def _list(fields: list[tuple[str, list[str]]], width: int) -> None:
    indent = max(len(heading) for heading, _ in fields) + len(_GAP)
    for row in zip(*(cells for _, cells in fields), strict=True):
        result(_shorten(row[0], width))
        for (heading, _), cell in zip(fields[1:], row[1:], strict=True):
            if cell:
                result(_shorten(f"{_GAP}{heading.ljust(indent)}{cell}", width))


def _draw(columns: list[Column], rows: list[list[str]], width: int) -> None:
    from rich.cells import cell_len, set_cell_size

    natural = [
        max(cell_len(text) for text in (column.heading, *(row[number] for row in rows)))
        for number, column in enumerate(columns)
    ]
    widths = fit_widths(columns, natural, width)
    headings = [column.heading for column in columns]
    for line in (headings, ["─" * size for size in widths], *rows):
        sized = [(text, size) for text, size in zip(line, widths, strict=True) if size]
        cells = [set_cell_size(_shorten(text, size), size) for text, size in sized]
        result(_GAP.join(cells).rstrip())


def fit_widths(columns: list[Column], natural: list[int], width: int) -> list[int]:
    """Return the width of each column so that a line fits into `width`; 0 leaves the column out."""
    widths = natural[:]
    while True:
        excess = sum(widths) + len(_GAP) * (sum(map(bool, widths)) - 1) - width
        spare = [
            max(0, size - SHORTEST) if column.is_text else 0
            for column, size in zip(columns, widths, strict=True)
        ]
        dropped = max(range(len(columns)), key=lambda number: columns[number].rank if widths[number] else 0)
        if excess <= sum(spare) or not (columns[dropped].rank and widths[dropped]):
            break
        widths[dropped] = 0
    for _ in range(min(excess, sum(spare))):
        widest = max(range(len(columns)), key=lambda number: widths[number] if spare[number] else 0)
        widths[widest] -= 1
        spare[widest] -= 1
    return widths


def _shorten(text: str, size: int) -> str:
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= size else f"{set_cell_size(text, max(0, size - 1)).rstrip()}…"


def when(time: object) -> str:
    """Return an RFC 3339 time of the API for a table: unchanged, or relative to now on a terminal."""
    text = clean(time)
    if not text or not is_terminal(sys.stdout):
        return text
    try:
        return relative(datetime.fromisoformat(text))
    except (ValueError, TypeError):
        return text


def relative(time: datetime) -> str:
    """Return how long ago `time` was, or how soon it will be: "2 hours ago". Raises TypeError without a zone."""
    seconds = (time - datetime.now(UTC)).total_seconds()
    for length, unit in _UNITS:
        if (number := int(abs(seconds) // length)) >= (2 if length > 86400 else 1):
            amount = f"{number} {unit}{'' if number == 1 else 's'}"
            return f"in {amount}" if seconds > 0 else f"{amount} ago"
    return "in a minute" if seconds > 0 else "just now"
