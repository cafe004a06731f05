"""Clients of keys, collected from the log in batches, and the summary of the usage of a key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from reflow_accounts.api_keys.models import ApiKey, ClientCursor, KeyClient, UsageRange, Use
from reflow_accounts.api_keys.usage.queries import UsageCount, rolled_up_to, usage_counts_of
from reflow_accounts.api_keys.usage.rollup import empty_table, fill_table, temporary_table
from reflow_accounts.api_keys.user_agents import read_program
from reflow_accounts.database import Batch, db, greatest, lock_cursor, now, run_batches, upsert

# Maximum uses in a batch: other writers of SQLite wait while the transaction writes a row for each client in it.
USES_AT_ONCE = 5_000
# A client that was not seen for this long is deleted, and counts as new when it returns.
KEPT_FOR = timedelta(days=90)
# Maximum clients kept for a key, the latest ones.
MOST_CLIENTS = 500

PERIOD = timedelta(days=30)
# Maximum uncollected uses of a key that a summary reads, the latest ones; collecting lags by about a minute.
_MOST_UNCOLLECTED = 1_000
# Maximum programs listed, and addresses of one program.
MOST_LISTED = 20

# The uses of a batch by key, address and user agent.
_COUNT_COLUMNS: dict[str, ColumnElement[Any]] = {
    "key_id": Use.key_id.expression,
    "address": Use.address.expression,
    "user_agent": Use.user_agent.expression,
    "count": func.count(),
    "first_at": func.min(Use.at),
    "last_at": func.max(Use.at),
}
_COUNTS = temporary_table("counts", _COUNT_COLUMNS, key=["key_id", "address", "user_agent"])
# What user agents and addresses say, for a join with the counts.
_PROGRAM_OF_AGENT = temporary_table(
    "program_of_agent",
    {"user_agent": Use.user_agent, "program": KeyClient.program, "is_ci": KeyClient.is_ci},
    key=["user_agent"],
)
_NETWORK_OF_ADDRESS = temporary_table(
    "network_of_address", {"address": KeyClient.address, "network": KeyClient.network}, key=["address"]
)


def collect_clients(is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Add the rolled-up uses to the clients of their keys.

    Processes may run this concurrently: each batch is added once. Uses that are not rolled up are skipped, because
    PostgreSQL may still commit others with lower ids.
    """
    run_batches(_collect_batch, is_stopping)


def _collect_batch() -> Batch:
    with db.engine.begin() as connection:
        # Read before the lock.
        cursor: int = connection.scalar(select(ClientCursor.upto)) or 0
        newest: int = connection.scalar(select(rolled_up_to())) or 0
        upto = min(newest, cursor + USES_AT_ONCE)
        if upto <= cursor:
            return Batch.DONE
        counts = _counts(connection, cursor, upto)
        clients = _clients(connection, counts)
        lock_cursor(connection, ClientCursor, upto=0)
        if connection.scalar(select(ClientCursor.upto)) != cursor:
            return Batch.TAKEN
        if clients is not None:
            _add(connection, clients)
        connection.execute(update(ClientCursor).values(upto=upto))
    return Batch.ADDED


def _counts(connection: Connection, cursor: int, upto: int) -> FromClause:
    """Return the uses after `cursor`, up to `upto`, with the columns `_COUNT_COLUMNS`.

    On SQLite, they are read here, before the lock.
    """
    recent = (Use.id > cursor, Use.id <= upto, Use.at >= now() - KEPT_FOR)
    query = select(*(expression.label(name) for name, expression in _COUNT_COLUMNS.items()))
    query = query.where(*recent).group_by(
        *(_COUNT_COLUMNS[name] for name in ("key_id", "address", "user_agent"))
    )
    if connection.dialect.name != "sqlite":
        return query.subquery()
    fill_table(connection, _COUNTS, query)
    return _COUNTS


def _clients(connection: Connection, counts: FromClause) -> Select[Any] | None:
    """Return the query of the clients, None without any: user agents with the same program are added up.

    Programs and networks are computed here, once for each user agent and address.
    """
    agents = connection.scalars(select(counts.c.user_agent).distinct()).all()
    if not agents:
        return None
    programs = {agent: read_program(agent) for agent in agents}
    # A user agent can consist of the name of a CI system alone; a client has one row.
    ci = {program.name for program in programs.values() if program.is_ci}
    addresses = connection.scalars(select(counts.c.address).distinct()).all()
    program = _rows(
        connection, _PROGRAM_OF_AGENT, [(agent, name, name in ci) for agent, (name, _) in programs.items()]
    )
    network = _rows(
        connection, _NETWORK_OF_ADDRESS, [(address, network_of(address)) for address in addresses]
    )
    client = (counts.c.key_id, counts.c.address, program.c.program, program.c.is_ci, network.c.network)
    return (
        select(*client, func.sum(counts.c.count), func.min(counts.c.first_at), func.max(counts.c.last_at))
        .join(program, program.c.user_agent == counts.c.user_agent)
        .join(network, network.c.address == counts.c.address)
        .group_by(*client)
    )


def _rows(connection: Connection, table: Table, rows: list[tuple[Any, ...]]) -> FromClause:
    """Return rows with the columns of `table`: on SQLite that table, on PostgreSQL arrays in the statement."""
    names = table.columns.keys()
    if connection.dialect.name != "sqlite":
        arrays = (
            literal(list(column), ARRAY(table.c[name].type))
            for name, column in zip(names, zip(*rows, strict=True), strict=True)
        )
        return func.unnest(*arrays).table_valued(*names).render_derived(name=table.name)
    empty_table(connection, table)
    connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
    return table


def network_of(address: str) -> str:
    """Return the network of an address: /24 for IPv4, /48 (one site) for IPv6; other text unchanged."""
    try:
        prefix = 24 if ip_address(address).version == 4 else 48
        return str(ip_network(f"{address.partition('%')[0]}/{prefix}", strict=False))
    except ValueError:
        return address


def _add(connection: Connection, clients: Select[Any]) -> None:
    columns = ["key_id", "address", "program", "is_ci", "network", "count", "first_at", "last_at"]
    insertion = upsert(connection.dialect, KeyClient).from_select(columns, clients)
    later = greatest(connection.dialect, KeyClient.last_at, insertion.excluded.last_at)
    connection.execute(
        insertion.on_conflict_do_update(
            index_elements=[KeyClient.key_id, KeyClient.address, KeyClient.program],
            set_={"count": KeyClient.count + insertion.excluded.count, "last_at": later},
        )
    )


def prune_clients() -> None:
    """Delete the clients that were not seen for 90 days, and the oldest of keys with too many."""
    db.session.execute(delete(KeyClient).where(KeyClient.last_at < now() - KEPT_FOR))
    crowded = select(KeyClient.key_id).group_by(KeyClient.key_id).having(func.count() > MOST_CLIENTS)
    for key_id in db.session.scalars(crowded).all():
        newest = select(KeyClient.last_at).where(KeyClient.key_id == key_id)
        oldest_kept = newest.order_by(KeyClient.last_at.desc()).offset(MOST_CLIENTS - 1).limit(1)
        is_old = KeyClient.last_at < oldest_kept.scalar_subquery()
        db.session.execute(delete(KeyClient).where(KeyClient.key_id == key_id, is_old))
    db.session.commit()


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
        """The name in a sentence: "GitHub Actions in acme/web", "curl/8.5.0"."""
        if self.is_ci:
            return self.name.replace(", ", " in ", 1)
        return self.name or "A program without a name"

    @property
    def latest_addresses(self) -> list[str]:
        """The latest addresses, at most MOST_LISTED."""
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
    def latest_programs(self) -> Sequence[ProgramUse]:
        """The latest programs, at most MOST_LISTED."""
        return self.programs[:MOST_LISTED]

    @property
    def program_count(self) -> int:
        return len(self.programs)


def usage_summary_of(key: ApiKey) -> UsageSummary:
    """Return the exact number of uses of a key, and the programs that used it.

    The cost does not grow with the number of uses: it reads ranges, clients, and few rows of the log.
    """
    moment = now()
    periods = [moment - timedelta(hours=24), moment - timedelta(days=7), moment - PERIOD]
    day, week, month = counts_since(key.id, periods)
    return UsageSummary(usage_counts_of([key.id])[key.id], day, week, month, _programs(key.id, periods[-1]))


def counts_since(key_id: int, times: Sequence[datetime]) -> list[int]:
    """Return the number of uses of a key since each of these times.

    Ranges that begin later are summed up; in ranges that contain the time, uses are counted.
    """
    cursor = db.session.scalar(select(rolled_up_to())) or 0
    of_key = (UsageRange.key_id == key_id, UsageRange.fold <= cursor)
    whole = select(
        *(
            func.coalesce(func.sum(UsageRange.count).filter(UsageRange.first_at >= since), 0)
            for since in times
        )
    )
    sums = db.session.execute(whole.where(*of_key, UsageRange.last_at >= min(times))).one()
    new = select(*(func.count().filter(Use.at >= since) for since in times))
    new = new.where(Use.key_id == key_id, Use.id > cursor, Use.at >= min(times))
    counts = zip(sums, db.session.execute(new).one(), times, strict=True)
    return [
        int(in_ranges) + unrolled + _count_in_ranges_around(key_id, since, cursor)
        for in_ranges, unrolled, since in counts
    ]


def _count_in_ranges_around(key_id: int, since: datetime, cursor: int) -> int:
    """Count the uses since a time in the ranges that begin before it and end later."""
    ranges = select(UsageRange.count, UsageRange.first_id, UsageRange.last_id).where(
        UsageRange.key_id == key_id,
        UsageRange.fold <= cursor,
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
    rest = select(Use.address, Use.user_agent, Use.at)
    rest = rest.where(Use.key_id == key_id, Use.id > cursor, Use.at >= since)
    latest = db.session.execute(rest.order_by(Use.id.desc()).limit(_MOST_UNCOLLECTED))
    uncollected = [(address, *read_program(user_agent), 1, at) for address, user_agent, at in latest]
    clients: list[Any] = [*db.session.execute(collected), *uncollected]
    programs: dict[str, ProgramUse] = {}
    for address, name, is_ci, count, last_at in sorted(clients, key=lambda row: row[-1], reverse=True):
        program = programs.setdefault(name, ProgramUse(name, is_ci, last_used_at=last_at))
        program.use_count += count
        if address not in program.addresses:
            program.addresses.append(address)
    return list(programs.values())
