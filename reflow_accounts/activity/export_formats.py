"""Entries of the activity as JSON Lines with hash chains (docs/activity-log.md), and as CSV (RFC 4180)."""

import csv
import hashlib
import io
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from reflow_accounts.activity.chain import event_line, link_line, use_line
from reflow_accounts.activity.models import ChainLink
from reflow_accounts.activity.service import Entry
from reflow_accounts.api_keys.models import USE_ID_PREFIX, UsageTotal, Use
from reflow_accounts.contract import LOG_VERSION
from reflow_accounts.database import db, now
from reflow_accounts.users.models import User
from reflow_accounts.web.filters import rfc3339

# Uses with close times may have ids in another order, so that pruning by time leaves gaps at the edge.
_EDGE = timedelta(minutes=1)

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
# Characters that start a formula, or that spreadsheets skip before one (OWASP, CSV injection); in East Asian
# locales also the full-width forms.
_FORMULA_MARKS = tuple("=+-@\t\r\n\0＝＋－＠")


@dataclass(frozen=True)
class Chains:
    """The chains of a file: the number of the last link of each, and the chains whose entries are all in the file."""

    heads: Mapping[str, int] = field(default_factory=dict)
    complete: Collection[str] = ()


def chains_of(public_ids: Collection[str], complete: Collection[str]) -> Chains:
    """Return the current chains of these users and teams, of which `complete` are whole in the file."""
    query = select(ChainLink.chain, func.max(ChainLink.number)).where(ChainLink.chain.in_(public_ids))
    return Chains(dict(db.session.execute(query.group_by(ChainLink.chain)).all()), tuple(complete))


def first_line(user: User, chains: Chains) -> bytes:
    """Return the first line of the file."""
    return _json_line(
        {
            "type": "log",
            "version": LOG_VERSION,
            "account": user.public_id,
            "exported_at": rfc3339(now()),
            "complete": sorted(chains.complete),
            "complete_uses": sorted(chains.heads) if chains.complete else [],
            "kept_from": _first_kept_id(),
            "links": dict(chains.heads),
        }
    )


def entry_lines(entries: Iterable[Entry]) -> bytes:
    """Return a line for each entry."""
    return b"".join(_json_line(_entry_fields(entry)) for entry in entries)


def link_lines(links: Iterable[ChainLink]) -> bytes:
    """Return a line for each link."""
    return b"".join(_json_line({"type": "link", **link_line(link)}) for link in links)


def incomplete_line(reason: str) -> bytes:
    """Return the last line of a file that ends early."""
    return _json_line({"type": "incomplete", "detail": reason})


class Seal:
    """The last line of a file: the number of lines before it, and the SHA-256 of their bytes."""

    def __init__(self) -> None:
        self._hash, self._lines = hashlib.sha256(), 0

    def add(self, piece: bytes) -> None:
        """Add the next bytes of the file."""
        self._hash.update(piece)
        self._lines += piece.count(b"\n")

    @property
    def line(self) -> bytes:
        return _json_line({"type": "end", "lines": self._lines, "sha256": self._hash.hexdigest()})


def _entry_fields(entry: Entry) -> dict[str, object]:
    use, event = entry.use, entry.event
    if use:
        facts = use_line(use, use.key.public_id, use.key.user.public_id)
        return {"type": "use", **facts, "key_name": entry.subject, "by": entry.by, "program": use.program}
    assert event
    return {"type": "event", **event_line(event, entry.address), "title": entry.title}


def _first_kept_id() -> str | None:
    """Return the id of the first use after all pruned ones; None if none was pruned."""
    if db.session.scalar(select(UsageTotal.key_id).where(UsageTotal.pruned > 0).limit(1)) is None:
        return None
    oldest: Any = db.session.execute(select(Use.id, Use.at).order_by(Use.id).limit(1)).first()
    if oldest is None:
        return f"{USE_ID_PREFIX}0"
    query = select(Use.id).where(Use.id > oldest.id, Use.at > oldest.at + _EDGE).order_by(Use.id).limit(1)
    newest = db.session.scalar(select(func.max(Use.id))) or 0
    return f"{USE_ID_PREFIX}{db.session.scalar(query) or newest + 1}"


def _json_line(line: dict[str, object]) -> bytes:
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


def heading() -> bytes:
    """Return the first line of the file."""
    return csv_lines([HEADINGS])


def lines_of(entries: Iterable[Entry]) -> bytes:
    """Return a line for each entry, in UTF-8."""
    return csv_lines(_cells(entry) for entry in entries)


def remark(note: str) -> bytes:
    """Return a line with a note about the file itself."""
    return csv_lines([("", note, *[""] * (len(HEADINGS) - 2))])


def escape_formula(cell: str) -> str:
    """Return the cell, with an apostrophe before a formula so that no spreadsheet evaluates it."""
    return f"'{cell}" if cell.startswith(_FORMULA_MARKS) else cell


def _cells(entry: Entry) -> tuple[str, ...]:
    start = (f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.title, entry.subject, entry.by)
    use = entry.use
    if use:
        request = (use.method, use.path, str(use.status), use.outcome)
        return (*start, *request, use.address, use.user_agent, use.program or "")
    return (*start, "", "", "", "", entry.address, "", "")


def csv_lines(rows: Iterable[Iterable[str]]) -> bytes:
    """Return rows as lines of a CSV file, in UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([escape_formula(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")
