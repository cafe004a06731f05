"""CSV export of the activity."""

from collections.abc import Iterable
from dataclasses import dataclass

from reflow_accounts.activity.lines import heading, lines_of, remark
from reflow_accounts.activity.service import EVERYTHING, Filter, activity_of
from reflow_accounts.activity.streaming import CUT_SHORT, StreamedFile, pieces_of
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db
from reflow_accounts.users.models import User

LINES_AT_ONCE = 200


@dataclass(frozen=True)
class _Query:
    """The content of a file in plain values, because each step has its own database session."""

    key_id: int | None
    where: Filter
    team_ids: tuple[int, ...] | None
    uses_only: bool


def file_of(
    user: User,
    *,
    key: ApiKey | None = None,
    where: Filter = EVERYTHING,
    team_ids: tuple[int, ...] | None = None,
    uses_only: bool = False,
) -> Iterable[bytes]:
    """Return the file in pieces, newest line first, as `pieces_of` does.

    New uses do not shift it. An incomplete file ends with a line that says so. Raises Unavailable while too many
    downloads are running.
    """
    query = _Query(key.id if key else None, where, team_ids, uses_only)
    return pieces_of(StreamedFile(lambda owner, cursor: _read(query, owner, cursor), remark(CUT_SHORT)), user)


def _read(query: _Query, user: User, cursor: str | None) -> tuple[bytes, str | None]:
    page = activity_of(
        user,
        limit=LINES_AT_ONCE,
        cursor=cursor,
        where=query.where,
        key=db.session.get_one(ApiKey, query.key_id) if query.key_id else None,
        team_ids=query.team_ids,
        uses_only=query.uses_only,
    )
    lines = lines_of(page.items)
    return lines if cursor else heading() + lines, page.next_cursor
