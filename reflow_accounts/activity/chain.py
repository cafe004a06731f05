"""Hash chains of accounts and teams: extend them in the background, and check those of a whole database."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, String, and_, column, func, insert, select, update, values
from sqlalchemy.orm import Session, aliased

from reflow_accounts.activity.models import ChainCursor, ChainLink
from reflow_accounts.api_keys.models import USE_ID_PREFIX, ApiKey, Use
from reflow_accounts.audit.actions import OF_STAFF
from reflow_accounts.audit.models import EVENT_ID_PREFIX, AuditEvent
from reflow_accounts.connections import newest_settled_id
from reflow_accounts.contract import EVENT_FIELDS, FIRST_PREVIOUS, LINK_FIELDS, USE_FIELDS, digest_of_fields
from reflow_accounts.database import Batch, db, lock_cursor, now, run_batches
from reflow_accounts.teams.models import Team
from reflow_accounts.users.models import User
from reflow_accounts.web.filters import rfc3339

# Maximum events and uses in one transaction.
EVENTS_AT_ONCE = 100
USES_AT_ONCE = 2000
_PREFIXES = {"event": EVENT_ID_PREFIX, "uses": USE_ID_PREFIX}

_LINKS_AT_ONCE = 1000


def extend_chains(is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Add the new events, and once a day (UTC) the new uses.

    Concurrent processes lock the cursor in turn, so that each event and use is added once. The next run continues
    an interrupted one.
    """
    extend_with_events(is_stopping)
    with db.engine.connect() as connection:
        last = connection.scalar(select(ChainCursor.uses_added_at))
    if last is None or last.date() < now().date():
        extend_with_uses(is_stopping)


def extend_with_events(is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Add every committed event that is not in the chains."""
    newest = newest_settled_id(db.engine, AuditEvent)
    run_batches(lambda: _add_events(newest), is_stopping)


def extend_with_uses(is_stopping: Callable[[], bool] = lambda: False) -> bool:
    """Add a digest of the uses of each account that are not in its chain.

    Return whether all were added: False if `is_stopping` ended the work, or another process continues it.
    """
    started_at, newest = now(), newest_settled_id(db.engine, Use)
    is_done = run_batches(lambda: _add_uses(newest), is_stopping) is Batch.DONE
    if is_done:
        with db.engine.begin() as connection:
            _lock_cursor(connection)
            connection.execute(update(ChainCursor).values(uses_added_at=started_at))
    return is_done


def link_line(link: ChainLink) -> dict[str, object]:
    """Return a link as a line of an exported log."""
    prefix = _PREFIXES[link.kind]
    return {
        "chain": link.chain,
        "number": link.number,
        "previous": link.previous.hex(),
        "kind": link.kind,
        "first": f"{prefix}{link.first_id}",
        "last": f"{prefix}{link.last_id}",
        "count": link.count,
        "sha256": link.digest.hex(),
        "hash": link.hash.hex(),
    }


def links_of(chain: str, *, after: int, upto: int, limit: int) -> Sequence[ChainLink]:
    """Return up to `limit` links of a chain, in order, from after number `after` to `upto`."""
    query = select(ChainLink).where(ChainLink.chain == chain, ChainLink.number.between(after + 1, upto))
    return db.session.scalars(query.order_by(ChainLink.number).limit(limit)).all()


def use_line(use: Any, key_id: str, account_id: str) -> dict[str, object]:
    """Return the fields of a use that are in its digest; `key_id` and `account_id` are public."""
    return {
        "id": f"{USE_ID_PREFIX}{use.id}",
        "at": rfc3339(use.at),
        "account": account_id,
        "key": key_id,
        "method": use.method,
        "path": use.path,
        "status": use.status,
        "outcome": use.outcome,
        "address": use.address,
        "user_agent": use.user_agent,
    }


def event_line(event: Any, address: str) -> dict[str, object]:
    """Return the fields of an event that are in its digest."""
    return {
        "id": f"{EVENT_ID_PREFIX}{event.id}",
        "at": rfc3339(event.at),
        "action": event.action,
        "subject": event.subject,
        "by": event.actor_name,
        "address": address,
    }


def digest_of_event(event: Any, *, is_own: bool) -> bytes:
    """Return the digest of an event in the chain of its account (`is_own`) or of its team.

    As in the activity, only the account itself sees the address, not other members of the team; Admins see that of
    service accounts.
    """
    address = event.address if is_own and event.actor_id in (None, event.account_id) else ""
    return digest_of_fields(event_line(event, address), EVENT_FIELDS)


def digest_of_use(use: Any, account_id: str) -> bytes:
    """Return the digest of a use; the row also has `key`, the public id of its key."""
    return digest_of_fields(use_line(use, use.key, account_id), USE_FIELDS)


def hash_of_link(link: ChainLink) -> bytes:
    """Compute the hash of a link from its fields."""
    return digest_of_fields(link_line(link), LINK_FIELDS)


def _lock_cursor(connection: Connection) -> Any:
    lock_cursor(connection, ChainCursor, events_upto=0, uses_upto=0)
    return connection.execute(select(ChainCursor.events_upto, ChainCursor.uses_upto)).one()


def _add_events(newest: int) -> Batch:
    """Add some events, each to the chain of its account and of its team."""
    with db.engine.begin() as connection:
        cursor = _lock_cursor(connection).events_upto
        rows = connection.execute(
            select(AuditEvent.__table__, User.public_id.label("account"), Team.public_id.label("team"))
            .join(User, User.id == AuditEvent.account_id, isouter=True)
            .join(Team, Team.id == AuditEvent.team_id, isouter=True)
            .where(AuditEvent.id > cursor, AuditEvent.id <= newest)
            .order_by(AuditEvent.id)
            .limit(EVENTS_AT_ONCE)
        ).all()
        if not rows:
            return Batch.DONE
        links = []
        for row in rows:
            for chain, is_own in ((row.account, True), (row.team, False)):
                if chain and row.action not in OF_STAFF:
                    links.append(_link(chain, "event", [row.id], digest_of_event(row, is_own=is_own)))
        _append(connection, links)
        connection.execute(update(ChainCursor).values(events_upto=rows[-1].id))
    return Batch.ADDED


def _add_uses(newest: int) -> Batch:
    """Add a digest of the next uses to the chain of each of their accounts."""
    with db.engine.connect() as connection:
        start = connection.scalar(select(ChainCursor.uses_upto)) or 0
        # Read and hash before taking the lock, which on SQLite makes requests wait.
        rows = connection.execute(
            _uses_with_accounts().where(Use.id > start, Use.id <= newest).order_by(Use.id).limit(USES_AT_ONCE)
        ).all()
    if not rows:
        return Batch.DONE
    ids: defaultdict[str, list[int]] = defaultdict(list)
    digests: defaultdict[str, Any] = defaultdict(hashlib.sha256)
    for row in rows:
        if row.account:
            ids[row.account].append(row.id)
            digests[row.account].update(digest_of_use(row, row.account))
    links = [_link(account, "uses", use_ids, digests[account].digest()) for account, use_ids in ids.items()]
    with db.engine.begin() as connection:
        if _lock_cursor(connection).uses_upto != start:
            return Batch.TAKEN
        _append(connection, links)
        connection.execute(update(ChainCursor).values(uses_upto=rows[-1].id))
    return Batch.ADDED


def _link(chain: str, kind: str, ids: Sequence[int], digest: bytes) -> ChainLink:
    return ChainLink(chain=chain, kind=kind, first_id=ids[0], last_id=ids[-1], count=len(ids), digest=digest)


def _append(connection: Connection, links: Sequence[ChainLink]) -> None:
    """Number and hash the links, and insert them."""
    if not links:
        return
    names = sorted({link.chain for link in links})
    chains = values(column("chain", String), name="chains").data([(name,) for name in names]).cte()
    # Found by index for each chain: grouping would read all links of these chains.
    last = select(func.max(ChainLink.number)).where(ChainLink.chain == chains.c.chain).correlate(chains)
    is_last = and_(ChainLink.chain == chains.c.chain, ChainLink.number == last.scalar_subquery())
    query = select(ChainLink.chain, ChainLink.number, ChainLink.hash).join(chains, is_last)
    heads = {chain: (number, link_hash) for chain, number, link_hash in connection.execute(query)}
    for link in links:
        number, link.previous = heads.get(link.chain, (0, bytes.fromhex(FIRST_PREVIOUS)))
        link.number, link.hash = number + 1, b""
        link.hash = hash_of_link(link)
        heads[link.chain] = link.number, link.hash
    columns = ChainLink.__table__.columns.keys()
    connection.execute(insert(ChainLink), [{name: getattr(link, name) for name in columns} for link in links])


def broken_links(connection: Connection) -> Iterator[str]:
    """Yield a sentence for each link that does not follow its predecessor, or whose event or uses were changed.

    Events that were deleted and uses that were pruned leave their links, so they are not compared.
    """
    query = (
        select(ChainLink, AuditEvent, User.public_id)
        .join(AuditEvent, (ChainLink.kind == "event") & (AuditEvent.id == ChainLink.first_id), isouter=True)
        .join(User, User.id == AuditEvent.account_id, isouter=True)
        .order_by(ChainLink.chain, ChainLink.number)
    )
    head = ("", 0, b"")
    with Session(connection) as session:
        for link, event, account in session.execute(query.execution_options(yield_per=_LINKS_AT_ONCE)):
            name = f"link {link.number} of the chain of {link.chain}"
            chain, number, previous = head
            if chain != link.chain:
                number, previous = 0, bytes.fromhex(FIRST_PREVIOUS)
            if (link.number, link.previous) != (number + 1, previous):
                yield f"{name} does not follow the one before"
            if link.hash != hash_of_link(link):
                yield f"{name} was changed"
            if event and link.digest != digest_of_event(event, is_own=link.chain == account):
                yield f"the event {event.public_id} was changed after {name} was made"
            head = link.chain, link.number, link.hash
        for changed in _links_with_other_uses(session):
            name = f"link {changed.number} of the chain of {changed.chain}"
            yield f"uses were added or changed after {name} was made"


@dataclass
class _Recount:
    """The uses of a link that were read from the log so far."""

    link: Any
    count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, use: Any) -> None:
        self.count += 1
        self.digest.update(digest_of_use(use, self.link.chain))

    @property
    def differs(self) -> bool:
        """Whether uses were added or changed; pruned ones are missing."""
        is_changed = self.count == self.link.uses and self.digest.digest() != self.link.digest
        return bool(is_changed or self.count > self.link.uses)


def _links_with_other_uses(session: Session) -> Iterator[Any]:
    """Yield the links whose uses are not those of the log.

    Reads the log once: a query for each link would read the uses of all other accounts again and again.
    """
    columns = (ChainLink.chain, ChainLink.number, ChainLink.first_id, ChainLink.last_id, ChainLink.digest)
    query = select(*columns, ChainLink.count.label("uses")).where(ChainLink.kind == "uses")
    query = query.order_by(ChainLink.first_id).execution_options(yield_per=_LINKS_AT_ONCE)
    links = iter(session.execute(query))
    link = next(links, None)
    recounts: defaultdict[str, list[_Recount]] = defaultdict(list)
    log = _uses_with_accounts().order_by(Use.id).execution_options(yield_per=_LINKS_AT_ONCE)
    for use in session.execute(log):
        while link and link.first_id <= use.id:
            # All uses of an older link are pruned.
            if link.last_id >= use.id:
                recounts[link.chain].append(_Recount(link))
            link = next(links, None)
        for recount in list(recounts.get(use.account, ())):
            if recount.link.last_id >= use.id:
                recount.add(use)
                continue
            recounts[use.account].remove(recount)
            if recount.differs:
                yield recount.link
    for recount in (recount for of_account in recounts.values() for recount in of_account):
        if recount.differs:
            yield recount.link


def _uses_with_accounts() -> Select[Any]:
    """Return a query for uses with the public ids of their keys and accounts."""
    owner = aliased(User)
    return (
        select(Use.__table__, ApiKey.public_id.label("key"), owner.public_id.label("account"))
        .join(ApiKey, ApiKey.id == Use.key_id, isouter=True)
        .join(owner, owner.id == ApiKey.user_id, isouter=True)
    )
