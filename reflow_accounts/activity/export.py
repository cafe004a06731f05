"""Exports of the activity as JSON Lines with hash chains (docs/activity-log.md), and as CSV (RFC 4180)."""

import csv
import hashlib
import io
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select

from reflow_accounts.activity.chain import event_line, extend_with_events, link_line, links_of, use_line
from reflow_accounts.activity.models import ChainLink
from reflow_accounts.activity.service import EVERYTHING, Entry, Filter, activity_of, chain_ids_of
from reflow_accounts.activity.streaming import CUT_SHORT, StreamedFile, pieces_of
from reflow_accounts.api_keys.models import USE_ID_PREFIX, ApiKey, UsageTotal, Use
from reflow_accounts.contract import LOG_VERSION
from reflow_accounts.database import db, now
from reflow_accounts.users.models import User
from reflow_accounts.web.filters import rfc3339
from reflow_accounts.web.pagination import Page

LINES_AT_ONCE = 200
# Prefix of a cursor with a chain and the number of its last link.
_LINKS = "links"
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


class ExportFormat(StrEnum):
    """The formats of an export."""

    CSV = "csv"
    JSON_LINES = "jsonl"


MEDIA_TYPES = {ExportFormat.CSV: "text/csv", ExportFormat.JSON_LINES: "application/jsonl"}


@dataclass(frozen=True)
class Chains:
    """The chains of a file: the number of the last link of each, and the chains whose entries are all in the file."""

    heads: Mapping[str, int] = field(default_factory=dict)
    complete: Collection[str] = ()


def chains_of(public_ids: Collection[str], complete: Collection[str]) -> Chains:
    """Return the current chains of these users and teams, of which `complete` are whole in the file."""
    query = select(ChainLink.chain, func.max(ChainLink.number)).where(ChainLink.chain.in_(public_ids))
    return Chains(dict(db.session.execute(query.group_by(ChainLink.chain)).all()), tuple(complete))


def json_heading(user: User, chains: Chains) -> bytes:
    """Return the first line of a JSON Lines file."""
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


def json_lines_of(entries: Iterable[Entry]) -> bytes:
    """Return a line of JSON for each entry."""
    return b"".join(_json_line(_entry_fields(entry)) for entry in entries)


def json_lines_of_links(links: Iterable[ChainLink]) -> bytes:
    """Return a line of JSON for each link."""
    return b"".join(_json_line({"type": "link", **link_line(link)}) for link in links)


def json_remark(reason: str) -> bytes:
    """Return the last line of a JSON Lines file that ends early."""
    return _json_line({"type": "incomplete", "detail": reason})


class Seal:
    """The last line of a JSON Lines file: the number of lines before it, and the SHA-256 of their bytes."""

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


def csv_heading() -> bytes:
    """Return the first line of a CSV file."""
    return csv_lines([HEADINGS])


def csv_lines_of(entries: Iterable[Entry]) -> bytes:
    """Return a line of CSV for each entry."""
    return csv_lines(_cells(entry) for entry in entries)


def csv_remark(note: str) -> bytes:
    """Return a line of CSV with a note about the file itself."""
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


@dataclass(frozen=True)
class _Query:
    """The content of a file in plain values, because each step has its own database session."""

    key_id: int | None
    where: Filter
    team_ids: tuple[int, ...] | None
    uses_only: bool

    def page(self, user: User, cursor: str | None) -> Page[Entry]:
        return activity_of(
            user,
            limit=LINES_AT_ONCE,
            cursor=cursor,
            where=self.where,
            key=db.session.get_one(ApiKey, self.key_id) if self.key_id else None,
            team_ids=self.team_ids,
            uses_only=self.uses_only,
        )


@dataclass(frozen=True)
class _JsonLines:
    """Reads the content of a JSON Lines file: entries, the links of each chain, the seal."""

    query: _Query
    chains: Chains
    seal: Seal = field(default_factory=Seal)

    def read(self, user: User, cursor: str | None) -> tuple[bytes, str | None]:
        kind, *place = (cursor or "").split(" ")
        if kind == _LINKS:
            chain, number = place[0], int(place[1])
            last = self.chains.heads[chain]
            links = links_of(chain, after=number, upto=last, limit=LINES_AT_ONCE)
            is_last = not links or links[-1].number >= last
            next_cursor = self._next_chain(chain) if is_last else f"{_LINKS} {chain} {links[-1].number}"
            piece = json_lines_of_links(links)
        else:
            page = self.query.page(user, cursor)
            piece, next_cursor = json_lines_of(page.items), page.next_cursor or self._next_chain("")
        if cursor is None:
            piece = json_heading(user, self.chains) + piece
        self.seal.add(piece)
        return piece if next_cursor else piece + self.seal.line, next_cursor

    def _next_chain(self, after: str) -> str | None:
        next_chain = min((chain for chain in self.chains.heads if chain > after), default=None)
        return f"{_LINKS} {next_chain} 0" if next_chain else None


def file_of(
    user: User,
    *,
    reader: User,
    key: ApiKey | None = None,
    where: Filter = EVERYTHING,
    team_ids: tuple[int, ...] | None = None,
    uses_only: bool = False,
    form: ExportFormat = ExportFormat.CSV,
) -> Iterable[bytes]:
    """Return the activity of `user` for `reader` in pieces, newest line first, as `pieces_of` does.

    In JSON Lines the entries are followed by the hash chains of the account, of the teams of which the user is
    Admin, and of their service accounts. Uses that are added meanwhile do not affect the file. An incomplete file
    ends with a line that says so. Raises Unavailable while too many downloads are running.
    """
    query = _Query(key.id if key else None, where, team_ids, uses_only)
    if form == ExportFormat.CSV:

        def read(owner: User, cursor: str | None) -> tuple[bytes, str | None]:
            page = query.page(owner, cursor)
            lines = csv_lines_of(page.items)
            return lines if cursor else csv_heading() + lines, page.next_cursor

        return pieces_of(StreamedFile(read, csv_remark(CUT_SHORT)), user, reader=reader)
    chains = Chains()
    if not uses_only:
        extend_with_events()
        public_ids, complete_ids = chain_ids_of(user, team_ids)
        chains = chains_of(public_ids, complete_ids if where == EVERYTHING and key is None else ())
    return pieces_of(
        StreamedFile(_JsonLines(query, chains).read, json_remark(CUT_SHORT)), user, reader=reader
    )
