"""Who uses a key, and how much: what its owner wants to know before revoking it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select

from reflow_accounts.api_keys.models import ApiKey, ClientCursor, KeyClient, UsageRange, Use
from reflow_accounts.api_keys.usage.clients import merged
from reflow_accounts.api_keys.usage.queries import UsageCount, rolled_up_to, usage_counts_of
from reflow_accounts.database import db, now

PERIOD = timedelta(days=30)
# Uses that were not collected yet are read one by one, the latest of the key; more come within a minute or so.
_MOST_UNCOLLECTED = 1_000
# Programs and addresses of one program that are listed.
MOST_LISTED = 20


@dataclass
class ProgramUse:
    """A program that used a key: its name (empty without one), addresses (the latest first), uses, last use."""

    name: str
    is_ci: bool
    addresses: list[str] = field(default_factory=list)
    use_count: int = 0
    last_used_at: datetime = datetime.min

    @property
    def label(self) -> str:
        """What it is called in a sentence: "GitHub Actions in acme/web", "curl/8.5.0"."""
        if self.is_ci:
            return self.name.replace(", ", " in ", 1)
        return self.name or "A program without a name"

    @property
    def listed(self) -> list[str]:
        """The addresses that are listed."""
        return self.addresses[:MOST_LISTED]

    @property
    def address_count(self) -> int:
        return len(self.addresses)


@dataclass(frozen=True)
class UsageSummary:
    """The uses of a key. `programs` are those of the last 30 days, the latest first."""

    usage: UsageCount
    last_24_hours: int
    last_7_days: int
    last_30_days: int
    programs: Sequence[ProgramUse]

    @property
    def listed(self) -> Sequence[ProgramUse]:
        """The programs that are listed."""
        return self.programs[:MOST_LISTED]

    @property
    def program_count(self) -> int:
        return len(self.programs)


def usage_summary_of(key: ApiKey) -> UsageSummary:
    """Return how much a key was used, exactly, and by which programs.

    The costs do not grow with the number of uses: ranges and clients are read, and few rows of the log.
    """
    at = now()
    periods = [at - timedelta(hours=24), at - timedelta(days=7), at - PERIOD]
    day, week, month = counts_since(key.id, periods)
    return UsageSummary(usage_counts_of([key.id])[key.id], day, week, month, _programs(key.id, periods[-1]))


def counts_since(key_id: int, times: Sequence[datetime]) -> list[int]:
    """Return the number of uses of a key since each of these times.

    Ranges that begin later are summed up; of the others, uses are counted in those that contain the time.
    """
    rolled = db.session.scalar(select(rolled_up_to())) or 0
    of_key = (UsageRange.key_id == key_id, UsageRange.fold <= rolled)
    whole = select(
        *(
            func.coalesce(func.sum(UsageRange.count).filter(UsageRange.first_at >= since), 0)
            for since in times
        )
    )
    sums = db.session.execute(whole.where(*of_key, UsageRange.last_at >= min(times))).one()
    new = select(*(func.count().filter(Use.at >= since) for since in times))
    new = new.where(Use.key_id == key_id, Use.id > rolled, Use.at >= min(times))
    counts = zip(sums, db.session.execute(new).one(), times, strict=True)
    return [
        int(found) + later + _count_in_ranges_around(key_id, since, rolled) for found, later, since in counts
    ]


def _count_in_ranges_around(key_id: int, since: datetime, rolled: int) -> int:
    """Count the uses since a time in the ranges that begin before it and end later."""
    ranges = select(UsageRange.count, UsageRange.first_id, UsageRange.last_id).where(
        UsageRange.key_id == key_id,
        UsageRange.fold <= rolled,
        UsageRange.first_at < since,
        UsageRange.last_at >= since,
    )
    count = select(func.count()).select_from(Use).where(Use.key_id == key_id, Use.at >= since)
    return sum(
        # Of two uses, one is before and one after.
        1 if uses == 2 else db.session.scalar(count.where(Use.id.between(first, last))) or 0
        for uses, first, last in db.session.execute(ranges).all()
    )


def _programs(key_id: int, since: datetime) -> list[ProgramUse]:
    columns = (KeyClient.address, KeyClient.program, KeyClient.is_ci, KeyClient.count, KeyClient.last_at)
    collected = select(*columns).where(KeyClient.key_id == key_id, KeyClient.last_at >= since)
    cursor = db.session.scalar(select(ClientCursor.upto)) or 0
    rest = select(Use.key_id, Use.address, Use.user_agent, 1, Use.at, Use.at)
    rest = rest.where(Use.key_id == key_id, Use.id > cursor, Use.at >= since)
    latest = db.session.execute(rest.order_by(Use.id.desc()).limit(_MOST_UNCOLLECTED))
    names = ("address", "program", "is_ci", "count", "last_at")
    uncollected = [tuple(row[name] for name in names) for row in merged(latest)]
    clients = [*(tuple(row) for row in db.session.execute(collected)), *uncollected]
    programs: dict[str, ProgramUse] = {}
    for address, name, is_ci, count, last_at in sorted(clients, key=lambda row: row[-1], reverse=True):
        found = programs.setdefault(name, ProgramUse(name, is_ci, last_used_at=last_at))
        found.use_count += count
        if address not in found.addresses:
            found.addresses.append(address)
    return list(programs.values())
