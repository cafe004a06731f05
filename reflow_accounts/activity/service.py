"""The activity of an account: uses and actions in one list, newest first."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import select

from reflow_accounts.api_keys.models import ACCEPTED, USE_ID_PREFIX, ApiKey, Use
from reflow_accounts.api_keys.service import numbers_of_keys
from reflow_accounts.api_keys.usage.daily_counts import DayCount, daily_counts
from reflow_accounts.api_keys.usage.queries import position_of_use, usage_counts_of, uses_of
from reflow_accounts.audit.actions import EventGroup
from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.audit.service import events_of, position_of_event
from reflow_accounts.contract import Code
from reflow_accounts.database import db
from reflow_accounts.teams.models import Rights, Team
from reflow_accounts.teams.service import memberships_of
from reflow_accounts.teams.service_accounts import account_ids_of_teams
from reflow_accounts.users.models import User
from reflow_accounts.web.pagination import HIGHEST_NUMBER, Page, Position, read_cursor, write_cursor

USE_ACTION = "api_key.used"
# Greater than every position.
_NEWEST = Position(datetime(9999, 1, 1, tzinfo=UTC), HIGHEST_NUMBER)
_REFUSALS = frozenset({Code.SUBSCRIPTION_INACTIVE, Code.INSUFFICIENT_RIGHTS})


class Outcome(StrEnum):
    """Whether a request with a key succeeded, or failed (status 400 and above)."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True)
class Filter:
    """Filter of entries: since (inclusive), until (exclusive), and one outcome or group of events.

    Only requests have an outcome.
    """

    since: datetime | None = None
    until: datetime | None = None
    outcome: Outcome | None = None
    group: EventGroup | None = None

    @property
    def accepted(self) -> bool | None:
        return self.outcome == Outcome.ACCEPTED if self.outcome else None

    @property
    def includes_uses(self) -> bool:
        return self.group in (None, EventGroup.REQUESTS)

    @property
    def includes_events(self) -> bool:
        return self.group != EventGroup.REQUESTS and self.outcome is None


EVERYTHING = Filter()


@dataclass(frozen=True)
class Entry:
    """One line of the activity: an event or a use.

    `address` is the client address of the account itself, or of a failed sign-in.
    """

    at: datetime
    action: str
    title: str
    subject: str
    by: str
    use: Use | None = None
    event: AuditEvent | None = None
    address: str = ""

    @property
    def id(self) -> str:
        row = self.use or self.event
        return row.public_id if row else ""

    @property
    def is_accepted(self) -> bool:
        return self.use is not None and self.use.outcome == ACCEPTED

    @property
    def rank(self) -> tuple[datetime, bool, int]:
        """The sort key: time, then uses above events, then id."""
        row = self.use or self.event
        return self.at, self.use is not None, row.id if row else 0


class _Positions(NamedTuple):
    """The position of one entry in each of the two lists."""

    among_uses: Position
    among_events: Position


def activity_of(
    user: User,
    *,
    limit: int,
    cursor: str | None = None,
    where: Filter = EVERYTHING,
    key: ApiKey | None = None,
    team_ids: Collection[int] | None = None,
    uses_only: bool = False,
    after: str | None = None,
) -> Page[Entry]:
    """Return a page of the uses and events of a user's account, newest first.

    An Admin of a team also sees those of its service accounts. `limit` is at least 1; `where` filters; `key` is one
    of the user's and selects its uses and events; `team_ids` leaves out the user's other teams.
    `after` is the id of an entry and selects newer ones. An entry may be committed some seconds after its time: to
    miss none, pass an entry at least ten seconds older than the newest, and skip known ids. Raises ValidationFailed for
    a cursor of another list, NotFound if `after` is not an entry of the user.
    """
    numbers = read_cursor(cursor, 3)
    last_use, last_event = (numbers[0], Position.of(numbers[1:])) if numbers else (None, None)
    admin_team_ids, other_team_ids = _teams_of(user, team_ids)
    account_ids = _account_ids(user, admin_team_ids)
    key_ids = ([key.id] if key else numbers_of_keys(account_ids)) if where.includes_uses else []
    after_use, after_event = _position(after, user, admin_team_ids, other_team_ids)
    limits: dict[str, Any] = {"limit": limit + 1, "since": where.since, "until": where.until}
    uses = uses_of(key_ids, before=last_use, accepted=where.accepted, after=after_use, **limits)
    events: list[AuditEvent] = []
    if where.includes_events and not uses_only:
        # All events of a key are also events of its owner.
        events = events_of(
            user.id,
            () if key else admin_team_ids,
            member_team_ids=() if key else other_team_ids,
            before=last_event,
            key_id=key.public_id if key else None,
            group=where.group,
            after=after_event,
            **limits,
        )
    both = map(_use_entry, uses), _event_entries(events, account_ids)
    entries = list(islice(merge(*both, key=attrgetter("at"), reverse=True), limit + 1))
    cursor = _cursor_after(entries[:limit], numbers) if len(entries) > limit else None
    # Uses are listed by id, and concurrent requests may get ids in another order than their times.
    return Page(sorted(entries[:limit], key=lambda entry: entry.rank, reverse=True), cursor)


def daily_uses(
    user: User, zone: tzinfo, days: int, *, key: ApiKey | None = None, team_ids: Collection[int] | None = None
) -> list[DayCount]:
    """Return the number of uses in `activity_of` for each of the last local days, of one key or of all."""
    key_ids = [key.id] if key else _key_ids(user, _teams_of(user, team_ids)[0])
    return daily_counts(key_ids, zone, days)


def count_uses(user: User, *, key: ApiKey | None = None) -> int:
    """Return the number of uses in `activity_of`, including pruned ones."""
    key_ids = [key.id] if key else _key_ids(user, _teams_of(user, None)[0])
    return sum(usage.count for usage in usage_counts_of(key_ids).values())


def chain_ids_of(user: User, team_ids: Collection[int] | None = None) -> tuple[list[str], list[str]]:
    """Return the public ids of the hash chains in an export, and of those that it contains completely.

    Complete are the user's own chain and those of the teams of which the user is Admin. The others are those of the
    service accounts of these teams.
    """
    admin_team_ids, _ = _teams_of(user, team_ids)
    teams = db.session.scalars(select(Team.public_id).where(Team.id.in_(admin_team_ids))).all()
    accounts = select(User.public_id).where(User.id.in_(account_ids_of_teams(admin_team_ids)))
    complete_ids = [user.public_id, *teams]
    return [*complete_ids, *db.session.scalars(accounts)], complete_ids


def _key_ids(user: User, admin_team_ids: Collection[int]) -> list[int]:
    return numbers_of_keys(_account_ids(user, admin_team_ids))


def _account_ids(user: User, admin_team_ids: Collection[int]) -> list[int]:
    """Return the ids of the accounts whose chains an export contains: the user's, and those of service accounts."""
    return [user.id, *account_ids_of_teams(admin_team_ids)]


def _position(
    entry_id: str | None, user: User, admin_team_ids: Collection[int], other_team_ids: Collection[int]
) -> _Positions | tuple[None, None]:
    if entry_id is None:
        return None, None
    if entry_id.startswith(USE_ID_PREFIX):
        use = position_of_use(_key_ids(user, admin_team_ids), entry_id)
        return _Positions(use, Position(use.at, HIGHEST_NUMBER))
    event = position_of_event(entry_id, user.id, admin_team_ids, member_team_ids=other_team_ids)
    return _Positions(Position(event.at, -1), event)


def _teams_of(user: User, team_ids: Collection[int] | None) -> tuple[list[int], list[int]]:
    """Return the ids of the user's teams, limited to `team_ids`: those with Admin rights, and the others.

    Both are empty for a service account.
    """
    if not user.is_person:
        return [], []
    memberships = [row for row in memberships_of(user) if team_ids is None or row.team_id in team_ids]
    admin_team_ids = [row.team_id for row in memberships if row.rights == Rights.ADMIN]
    return admin_team_ids, [row.team_id for row in memberships if row.rights != Rights.ADMIN]


def _cursor_after(entries: list[Entry], numbers: tuple[int, ...] | None) -> str:
    """Return the cursor of the next page, with a position in each of the two lists."""
    use_id, event_at, event_id = numbers or (HIGHEST_NUMBER, *_NEWEST.numbers)
    for entry in entries:
        if entry.use:
            use_id = entry.use.id
        elif entry.event:
            event_at, event_id = Position(entry.event.at, entry.event.id).numbers
    return write_cursor(use_id, event_at, event_id)


def _use_entry(use: Use) -> Entry:
    title = "API key refused" if use.outcome in _REFUSALS else "API key used"
    return Entry(use.at, USE_ACTION, title, use.key.name, use.key.user.full_name, use=use)


def _event_entries(events: Iterable[AuditEvent], account_ids: Collection[int]) -> Iterator[Entry]:
    """Yield the entries, with the address of an event that one of these accounts caused itself, as in its chain."""
    for event in events:
        is_own = event.account_id in account_ids and event.actor_id in (None, event.account_id)
        address = event.address if is_own else ""
        yield Entry(
            event.at, event.action, event.title, event.subject, event.actor_name, event=event, address=address
        )
