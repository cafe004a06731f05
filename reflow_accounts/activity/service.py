"""Merge the uses and the acts of an account into one list."""

from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice

from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.api_keys.recorder import uses_of_key, uses_of_user
from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.audit.service import events_of
from reflow_accounts.contract import Code
from reflow_accounts.identity.models import User
from reflow_accounts.teams.service import memberships_of
from reflow_accounts.web.paging import Page, Position

USE_ACTION = "api_key.used"
_REFUSALS = frozenset({Code.SUBSCRIPTION_INACTIVE, Code.INSUFFICIENT_RIGHTS})


@dataclass(frozen=True)
class Entry:
    """One line of the activity: an act, or a use (`use` is set)."""

    at: datetime
    number: int
    action: str
    title: str
    subject: str
    by: str
    use: Use | None = None

    @property
    def position(self) -> Position:
        return Position(self.at, self.number)


def activity_of(
    user: User,
    *,
    limit: int,
    before: Position | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    key: ApiKey | None = None,
) -> Page[Entry]:
    """Return a page of what happened in a user's account, newest first.

    `limit` is 1 to 200; `since` (inclusive) and `until` (exclusive) bound it in time; `key` keeps only
    the uses of one key and what was done to it.
    """
    more = limit + 1
    span = {"since": since, "until": until}
    before_use, before_event = _split(before)
    if key:
        uses = uses_of_key(key, limit=more, before=before_use, **span)
    else:
        uses = uses_of_user(user.id, limit=more, before=before_use, **span)
    team_ids = [membership.team_id for membership in memberships_of(user)]
    key_id = key.public_id if key else None
    events = events_of(user.id, team_ids, limit=more, before=before_event, key_id=key_id, **span)
    lines = merge(
        (_of_use(use, user) for use in uses),
        (_of_event(event) for event in events),
        key=lambda entry: (entry.at, entry.number),
        reverse=True,
    )
    return Page.cut(list(islice(lines, more)), limit, lambda entry: entry.position)


def _split(before: Position | None) -> tuple[Position | None, Position | None]:
    """Say where to go on among the uses and among the acts.

    In the common list a use has twice its own number and an act one more than twice its own: one order
    for both, also when both happened in the same microsecond.
    """
    if before is None:
        return None, None
    return Position(before.at, (before.number + 1) // 2), Position(before.at, before.number // 2)


def _of_use(use: Use, user: User) -> Entry:
    title = "API key refused" if use.outcome in _REFUSALS else "API key used"
    return Entry(use.at, 2 * use.id, USE_ACTION, title, use.key.name, user.full_name, use)


def _of_event(event: AuditEvent) -> Entry:
    return Entry(event.at, 2 * event.id + 1, event.action, event.title, event.subject, event.actor_name)
