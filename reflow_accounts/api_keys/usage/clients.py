"""The clients of each key: addresses with programs, collected from the log of uses in batches."""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from reflow_accounts import batches
from reflow_accounts.api_keys.models import ClientCursor, KeyClient, Use
from reflow_accounts.api_keys.programs import read_program
from reflow_accounts.api_keys.usage.queries import rolled_up_to
from reflow_accounts.batches import Batch
from reflow_accounts.database import db, now, upsert

# Uses in a batch at most.
USES_AT_ONCE = 16_384
# Clients in a batch, about: the transaction keeps other writers of SQLite waiting while it writes a row for each.
CLIENTS_AT_ONCE = 500
# A client that was not seen for so long is forgotten: it would be new again.
KEPT_FOR = timedelta(days=90)
# Clients that are kept for a key, the latest ones.
MOST_CLIENTS = 500


def collect_clients(is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Add the rolled-up uses to the clients of their keys.

    Processes may run this concurrently: each batch is added once. Uses that are not rolled up are left, because
    PostgreSQL may still commit others with smaller numbers.
    """
    batches.run(_collect_batch, is_stopping)


def _collect_batch() -> Batch:
    is_recent = Use.at >= now() - KEPT_FOR
    with db.engine.connect() as connection:
        # Read before the lock.
        cursor: int = connection.scalar(select(ClientCursor.upto)) or 0
        newest: int = connection.scalar(select(rolled_up_to())) or 0
        upto = min(newest, cursor + USES_AT_ONCE)
        if upto <= cursor:
            return Batch.DONE
        clients = select(Use.key_id, Use.address, Use.user_agent).distinct()
        counted = clients.where(Use.id > cursor, Use.id <= upto, is_recent).subquery()
        number = connection.scalar(select(func.count()).select_from(counted)) or 0
        upto = cursor + max(1, (upto - cursor) * CLIENTS_AT_ONCE // max(number, CLIENTS_AT_ONCE))
        query = select(
            Use.key_id, Use.address, Use.user_agent, func.count(), func.min(Use.at), func.max(Use.at)
        )
        in_batch = query.where(Use.id > cursor, Use.id <= upto, is_recent)
        rows = merged(connection.execute(in_batch.group_by(Use.key_id, Use.address, Use.user_agent)))
    with db.engine.begin() as connection:
        first = upsert(connection.dialect, ClientCursor).values(id=1, upto=0)
        connection.execute(first.on_conflict_do_nothing())
        # Locks the row against other processes.
        connection.execute(update(ClientCursor).values(upto=ClientCursor.upto))
        if connection.scalar(select(ClientCursor.upto)) != cursor:
            return Batch.TAKEN
        if rows:
            _add(connection, rows)
        connection.execute(update(ClientCursor).values(upto=upto))
    return Batch.ADDED


def merged(found: Any) -> list[dict[str, Any]]:
    """Return a row of `KeyClient` for each client among rows of key, address, user agent, number, first, last."""
    rows: dict[tuple[int, str, str], dict[str, Any]] = {}
    for key_id, address, user_agent, count, first_at, last_at in found:
        program = read_program(user_agent)
        row = rows.setdefault(
            (key_id, address, program.name),
            {
                "key_id": key_id,
                "address": address,
                "program": program.name,
                "is_ci": program.is_ci,
                "network": network_of(address),
                "count": 0,
                "first_at": first_at,
                "last_at": last_at,
            },
        )
        row["count"] += count
        row["first_at"] = min(row["first_at"], first_at)
        row["last_at"] = max(row["last_at"], last_at)
    return list(rows.values())


def network_of(address: str) -> str:
    """Return the network of an address: /24 of IPv4, /48 of IPv6, which a site has; other text as it is."""
    try:
        prefix = 24 if ip_address(address).version == 4 else 48
        return str(ip_network(f"{address.partition('%')[0]}/{prefix}", strict=False))
    except ValueError:
        return address


def _add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    later_of = func.max if connection.dialect.name == "sqlite" else func.greatest
    adding = upsert(connection.dialect, KeyClient)
    later = later_of(KeyClient.last_at, adding.excluded.last_at)
    connection.execute(
        adding.on_conflict_do_update(
            index_elements=[KeyClient.key_id, KeyClient.address, KeyClient.program],
            set_={"count": KeyClient.count + adding.excluded.count, "last_at": later},
        ),
        rows,
    )


def prune_clients() -> None:
    """Forget the clients that were not seen for 90 days, and the oldest of keys with too many."""
    db.session.execute(delete(KeyClient).where(KeyClient.last_at < now() - KEPT_FOR))
    crowded = select(KeyClient.key_id).group_by(KeyClient.key_id).having(func.count() > MOST_CLIENTS)
    for key_id in db.session.scalars(crowded).all():
        newest = select(KeyClient.last_at).where(KeyClient.key_id == key_id)
        oldest_kept = newest.order_by(KeyClient.last_at.desc()).offset(MOST_CLIENTS - 1).limit(1)
        is_old = KeyClient.last_at < oldest_kept.scalar_subquery()
        db.session.execute(delete(KeyClient).where(KeyClient.key_id == key_id, is_old))
    db.session.commit()
