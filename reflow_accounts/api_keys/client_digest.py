"""The daily mail about keys that were used from a new network or by a new CI system."""

from collections import defaultdict
from datetime import timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import aliased

from reflow_accounts.api_keys.models import ApiKey, KeyClient
from reflow_accounts.api_keys.reminders import TEMPLATES, claim, recipients_of
from reflow_accounts.database import db, now
from reflow_accounts.mail.service import post
from reflow_accounts.users.models import MailSwitch, User
from reflow_accounts.web.filters import exact

# Clients that were seen first before that are not news, for example after the upgrade that begins to collect them.
_NEWS_FOR = timedelta(days=2)
_AT_ONCE = 2_000
_MOST_LINES = 50


def send_client_digests() -> None:
    """Post at most one mail a day to each owner about the new clients of their keys.

    A CI system is new when its repository is; another client when its network is (/24 or /48). The first client of a
    key is not news. Processes may run this concurrently: each mail is posted once.
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
        .order_by(KeyClient.first_at)
        .limit(_AT_ONCE)
    )
    found: dict[int, list[tuple[KeyClient, ApiKey]]] = defaultdict(list)
    for seen, key in db.session.execute(query).all():
        found[key.user_id].append((seen, key))
    for news in found.values():
        _send(news[0][1].user, news)


def _send(owner: User, news: list[tuple[KeyClient, ApiKey]]) -> None:
    """Post the mail about this news to each of its recipients, unless there was one today (UTC)."""
    recipients = recipients_of(owner, MailSwitch.NEW_CLIENTS)
    today = f"{owner.public_id} {now():%Y-%m-%d}"
    claimed = [user for user in recipients if claim(user, MailSwitch.NEW_CLIENTS, 0, today)]
    if recipients and not claimed:
        # News of the rest of the day is in the mail of the next one.
        db.session.rollback()
        return
    lines = [
        {
            "key": key.name,
            "hint": key.recognisable,
            "what": seen.program
            if seen.is_ci
            else f"{seen.program or 'A program without a name'}, {seen.address}",
            "kind": "a new CI system" if seen.is_ci else "a new network",
            "at": exact(seen.first_at),
        }
        for seen, key in news
    ]
    more = {"lines": lines[:_MOST_LINES], "left_out": len(lines[_MOST_LINES:]), "owner": owner.full_name}
    for user in claimed:
        post(TEMPLATES[MailSwitch.NEW_CLIENTS], user.email or "", **more)
    for seen, _ in news:
        seen.noticed_at = now()
    db.session.commit()
