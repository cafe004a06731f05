"""Entries as lines of a CSV file (RFC 4180) that a spreadsheet opens without running anything in them."""

import csv
import io
from collections.abc import Iterable

from reflow_accounts.activity.service import Entry

HEADINGS = (
    "Time (UTC)",
    "Event",
    "Subject",
    "By",
    "Method",
    "Path",
    "Status",
    "Outcome",
    "Address",
    "User agent",
    "Program",
)
# Characters that start a formula, or that a spreadsheet skips before one (OWASP, CSV injection); the
# wide forms count in East Asian settings.
_FORMULA_MARKS = tuple("=+-@\t\r\n\0＝＋－＠")


def heading() -> bytes:
    """Return the first line of the file."""
    return written([HEADINGS])


def lines_of(entries: Iterable[Entry]) -> bytes:
    """Return a line for each entry, in UTF-8."""
    return written(_cells(entry) for entry in entries)


def remark(note: str) -> bytes:
    """Return a line with a remark about the file itself."""
    return written([("", note, *[""] * (len(HEADINGS) - 2))])


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet evaluates: with an apostrophe before the start of a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_MARKS) else cell


def _cells(entry: Entry) -> tuple[str, ...]:
    start = (f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.title, entry.subject, entry.by)
    use = entry.use
    if use:
        request = (use.method, use.path, str(use.status), use.outcome)
        return (*start, *request, use.address, use.user_agent, use.program or "")
    return (*start, "", "", "", "", entry.address, "", "")


def written(rows: Iterable[Iterable[str]]) -> bytes:
    """Return rows as lines of a CSV file, in UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")
