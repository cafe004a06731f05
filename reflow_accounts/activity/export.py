"""Exports of the activity as CSV or JSON Lines."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from reflow_accounts.activity.chain import extend_with_events, links_of
from reflow_accounts.activity.export_formats import (
    Chains,
    Seal,
    chains_of,
    entry_lines,
    first_line,
    heading,
    incomplete_line,
    lines_of,
    link_lines,
    remark,
)
from reflow_accounts.activity.service import EVERYTHING, Entry, Filter, activity_of, chain_ids_of
from reflow_accounts.activity.streaming import CUT_SHORT, StreamedFile, pieces_of
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db
from reflow_accounts.users.models import User
from reflow_accounts.web.pagination import Page

LINES_AT_ONCE = 200
# Prefix of a cursor with a chain and the number of its last link.
_LINKS = "links"


class ExportFormat(StrEnum):
    """The formats of an export."""

    CSV = "csv"
    JSON_LINES = "jsonl"


MEDIA_TYPES = {ExportFormat.CSV: "text/csv", ExportFormat.JSON_LINES: "application/jsonl"}


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
            piece = link_lines(links)
        else:
            page = self.query.page(user, cursor)
            piece, next_cursor = entry_lines(page.items), page.next_cursor or self._next_chain("")
        if cursor is None:
            piece = first_line(user, self.chains) + piece
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
            lines = lines_of(page.items)
            return lines if cursor else heading() + lines, page.next_cursor

        return pieces_of(StreamedFile(read, remark(CUT_SHORT)), user, reader=reader)
    chains = Chains()
    if not uses_only:
        extend_with_events()
        public_ids, complete_ids = chain_ids_of(user, team_ids)
        chains = chains_of(public_ids, complete_ids if where == EVERYTHING and key is None else ())
    return pieces_of(
        StreamedFile(_JsonLines(query, chains).read, incomplete_line(CUT_SHORT)), user, reader=reader
    )
