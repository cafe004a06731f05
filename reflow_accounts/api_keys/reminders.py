"""Mails to owners of keys, each sent once: refused repeatedly, ends soon, unused, used by new clients."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from math import ceil
from typing import Any

from sqlalchemy import Select, and_, or_, select, update
from sqlalchemy.orm import aliased

from reflow_accounts.api_keys.models import WARNED_BEFORE, ApiKey, KeyClient, KeyRefusal, Notice, UsageTotal
from reflow_accounts.api_keys.usage.queries import usage_counts_of
from reflow_accounts.contract import Code
from reflow_accounts.database import db, now, upsert
from reflow_accounts.mail.service import post
from reflow_accounts.teams.service import admins_of
from reflow_accounts.teams.service_accounts import owning_team
from reflow_accounts.users.models import MailSwitch, User
from reflow_accounts.web.filters import exact

# Days before the expiry of a key.
ENDS_IN_DAYS = (WARNED_BEFORE // timedelta(days=1), 2)
UNUSED_FOR = timedelta(days=90)
# Refused requests with one key, for the same reason.
MANY_REFUSALS = 10
# Each commit expires every key that was read, so that a long page takes time with the square of its length.
_AT_ONCE = 50
TEMPLATES = {
    MailSwitch.NEW_CLIENTS: "keys_new_clients",
    MailSwitch.REFUSALS: "key_refused",
    MailSwitch.ENDS: "key_ends",
    MailSwitch.UNUSED: "key_unused",
}
_REASONS = {
    Code.REVOKED_KEY: "it was revoked",
    Code.EXPIRED_KEY: "it has expired",
    Code.ACCOUNT_DISABLED: "its account is disabled",
    Code.SUBSCRIPTION_INACTIVE: "its user is in no team with an active AWS Marketplace subscription",
}

# Older clients are not reported, for example after the upgrade that starts to collect them.
_NEWS_FOR = timedelta(days=2)
_NEWS_AT_ONCE = 2_000
_MOST_LINES = 50


def send_reminders() -> None:
    """Post the mails that are due. Several processes may run this concurrently: each mail is posted once."""
    for days in ENDS_IN_DAYS:
        _remind_of_ends(days)
    _remind_of_refusals()


def remind_of_unused_keys() -> None:
    """Post a mail about each key that was not used for 90 days, once until it is used again."""
    limit = now() - UNUSED_FOR
    was_used = select(UsageTotal.key_id).where(
        UsageTotal.key_id == ApiKey.id, UsageTotal.last_used_at >= limit
    )
    for keys in _in_pages(_live_keys().where(ApiKey.created_at < limit, ~was_used.exists())):
        usage = usage_counts_of([key.id for key in keys])
        for key in keys:
            last = usage[key.id].last_used_at
            if last is None or last < limit:
                since = exact(last or key.created_at)
                remind(key, MailSwitch.UNUSED, since, since=since, was_used=last is not None)


def recipients_of(owner: User, switch: MailSwitch) -> list[User]:
    """Return the recipients of this kind of mail about keys of `owner`: itself, or Admins for a service account."""
    people = [owner] if owner.is_person else admins_of(owning_team(owner))
    return [user for user in people if user.email and not user.disabled_at and user.wants(switch)]


def remind(key: ApiKey, kind: MailSwitch, subject: str, **data: Any) -> None:
    """Post a mail of this kind about a key, once for each recipient and `subject`. Commits.

    One key in a transaction: a service account may have many keys, its team many Admins, and other writers of SQLite
    wait meanwhile.
    """
    for user in recipients_of(key.user, kind):
        if record_notice(user, kind, key.id, subject):
            more = {"key": key.name, "hint": key.masked_secret, "owner": key.user.full_name}
            post(TEMPLATES[kind], user.email or "", **more, **data)
    db.session.commit()


def record_notice(user: User, kind: MailSwitch, key_id: int, subject: str) -> bool:
    """Record that a mail is posted, in the same transaction; return False if it was recorded before.

    `subject` identifies the occasion; `key_id` is 0 for a mail about several keys. A concurrent transaction with the
    same values waits for the end of this one.
    """
    note = {"user_id": user.id, "kind": kind, "key_id": key_id, "subject": subject}
    if db.session.get(Notice, note):
        return False
    insertion = upsert(db.session.get_bind().dialect, Notice).values(at=now(), **note)
    return bool(db.session.execute(insertion.on_conflict_do_nothing().returning(Notice.user_id)).all())


def _remind_of_ends(days: int) -> None:
    before = timedelta(days=days)
    sooner = timedelta(days=max((other for other in ENDS_IN_DAYS if other < days), default=0))
    moment = now()
    query = _live_keys().where(
        ApiKey.expires_at > moment + sooner,
        ApiKey.expires_at <= moment + before,
        # A rotated key ends soon because a new one has taken its place.
        ApiKey.replaced_at.is_(None),
    )
    for keys in _in_pages(query):
        for key in keys:
            # No reminder for a key that was created with a shorter lifetime.
            if key.expires_at and key.created_at < key.expires_at - before:
                end, left = exact(key.expires_at), ceil((key.expires_at - moment) / timedelta(days=1))
                remind(key, MailSwitch.ENDS, f"{days} days before {end}", at=end, days=left)


def _remind_of_refusals() -> None:
    columns = (KeyRefusal.code, KeyRefusal.count, KeyRefusal.first_at, KeyRefusal.last_at)
    query = select(*columns).where(
        KeyRefusal.count >= MANY_REFUSALS,
        KeyRefusal.code.in_(_REASONS),
        KeyRefusal.last_at > now() - timedelta(days=1),
    )
    of_key = query.with_only_columns(KeyRefusal.key_id).where(KeyRefusal.key_id == ApiKey.id)
    keys_refused = select(ApiKey).join(User).where(of_key.exists(), User.deleted_at.is_(None))
    for keys in _in_pages(keys_refused):
        for key in keys:
            for code, count, first_at, last_at in db.session.execute(
                query.where(KeyRefusal.key_id == key.id)
            ).all():
                facts = {"reason": _REASONS[Code(code)], "count": count}
                facts |= {"first": exact(first_at), "last": exact(last_at)}
                remind(key, MailSwitch.REFUSALS, f"{code} {first_at.isoformat()}", **facts)


def _in_pages(query: Select[ApiKey]) -> Iterator[Sequence[ApiKey]]:
    last = 0
    while keys := db.session.scalars(query.where(ApiKey.id > last).order_by(ApiKey.id).limit(_AT_ONCE)).all():
        last = keys[-1].id
        yield keys


def _live_keys() -> Select[ApiKey]:
    return select(ApiKey).where(
        ApiKey.revoked_at.is_(None),
        ApiKey.is_canary.is_(False),
        ApiKey.expires_at.is_(None) | (ApiKey.expires_at > now()),
    )


def send_client_digests() -> None:
    """Post at most one mail a day to each owner about the new clients of their keys.

    A CI system is new if its repository is, any other client if its network (/24 or /48) is. The first client of a
    key is not reported. Processes may run this concurrently: each mail is posted once.
    """
    known = aliased(KeyClient)
    earlier = and_(known.key_id == KeyClient.key_id, known.first_at < KeyClient.first_at)
    same = or_(
        and_(KeyClient.is_ci, known.program == KeyClient.program),
        and_(~KeyClient.is_ci, known.network == KeyClient.network),
    )
    has_first = select(known.key_id).where(earlier).exists()
    is_known = select(known.key_id).where(earlier, same).exists()
    is_news = and_(KeyClient.first_at >= now() - _NEWS_FOR, has_first, ~is_known)
    old = update(KeyClient).where(KeyClient.noticed_at.is_(None), ~is_news).values(noticed_at=now())
    db.session.execute(old.execution_options(synchronize_session=False))
    db.session.commit()
    query = (
        select(KeyClient, ApiKey)
        .join(ApiKey, ApiKey.id == KeyClient.key_id)
        .where(KeyClient.noticed_at.is_(None), is_news)
        .order_by(ApiKey.user_id, KeyClient.first_at)
        .limit(_NEWS_AT_ONCE)
    )
    last = 0
    while rows := db.session.execute(query.where(ApiKey.user_id > last)).all():
        last = rows[-1][1].user_id
        for _, news in groupby(rows, lambda row: row[1].user_id):
            new_clients = [(client, key) for client, key in news]
            _send(new_clients[0][1].user, new_clients)


def _send(owner: User, new_clients: list[tuple[KeyClient, ApiKey]]) -> None:
    """Post the digest to its recipients, unless one was posted today (UTC)."""
    recipients = recipients_of(owner, MailSwitch.NEW_CLIENTS)
    today = f"{owner.public_id} {now():%Y-%m-%d}"
    claimed = [user for user in recipients if record_notice(user, MailSwitch.NEW_CLIENTS, 0, today)]
    if recipients and not claimed:
        # Further clients of the day are in the digest of the next day.
        db.session.rollback()
        return
    lines = [
        {
            "key": key.name,
            "hint": key.masked_secret,
            "what": client.program
            if client.is_ci
            else f"{client.program or 'A program without a name'}, {client.address}",
            "kind": "a new CI system" if client.is_ci else "a new network",
            "at": exact(client.first_at),
        }
        for client, key in new_clients
    ]
    more = {"lines": lines[:_MOST_LINES], "left_out": len(lines[_MOST_LINES:]), "owner": owner.full_name}
    for user in claimed:
        post(TEMPLATES[MailSwitch.NEW_CLIENTS], user.email or "", **more)
    for client, _ in new_clients:
        client.noticed_at = now()
    db.session.commit()
