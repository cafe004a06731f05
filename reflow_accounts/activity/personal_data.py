"""The download of all data that is stored about a person (GDPR, articles 15 and 20), as JSON."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from reflow_accounts.activity.streaming import CUT_SHORT, StreamedFile, pieces_of
from reflow_accounts.api_keys.models import ApiKey, KeyClient, RefusedAttempt
from reflow_accounts.api_keys.service import numbers_of_keys
from reflow_accounts.api_keys.usage.queries import uses_of
from reflow_accounts.audit.actions import OF_STAFF
from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.auth.models import DeviceLogin, MailLink, Passkey, RecoveryCode, UserSession
from reflow_accounts.database import db, now
from reflow_accounts.email_addresses import stored_forms
from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.subscriptions.models import Licence
from reflow_accounts.teams.models import Invitation, Membership, Team
from reflow_accounts.teams.service import current_of, memberships_of
from reflow_accounts.users.models import MailSwitch, User
from reflow_accounts.web.filters import rfc3339
from reflow_accounts.web.pagination import Position, older_than, read_cursor, write_cursor

ROWS_AT_ONCE = 200

Numbers = tuple[int, ...]
Row = tuple[Numbers, dict[str, Any]]


@dataclass(frozen=True)
class _Table:
    """Rows of a table, ordered by the unique `number`, with the exported columns, none of them secret."""

    number: Any
    condition: Callable[[User], ColumnElement[bool]]
    columns: tuple[Any, ...]

    def __call__(self, user: User, after: Numbers | None) -> list[Row]:
        query = select(self.number.label("number"), *self.columns).where(self.condition(user))
        if after:
            query = query.where(self.number > after[-1])
        rows = db.session.execute(query.order_by(self.number).limit(ROWS_AT_ONCE)).mappings()
        return [((0, row["number"]), {name: row[name] for name in row if name != "number"}) for row in rows]


@dataclass(frozen=True)
class _KeyTable:
    """Rows about the API keys of a user, in the order of their primary key."""

    model: Any
    columns: tuple[Any, ...]

    def __call__(self, user: User, after: Numbers | None) -> list[Row]:
        # Continues after a number of rows of one key: offsets in the list of all keys would read it again and again.
        key_id, place = after or (0, 0)
        query = (
            select(self.model.key_id, ApiKey.public_id.label("key"), *self.columns)
            .where(ApiKey.user_id == user.id, self.model.key_id == ApiKey.id, self.model.key_id >= key_id)
            .order_by(*self.model.__table__.primary_key.columns)
        )
        rows: list[Row] = []
        for row in db.session.execute(query.offset(place).limit(ROWS_AT_ONCE)).mappings():
            place = place + 1 if row["key_id"] == key_id else 1
            key_id = row["key_id"]
            rows.append(((key_id, place), {name: row[name] for name in row if name != "key_id"}))
        return rows


def _uses(user: User, after: Numbers | None) -> list[Row]:
    uses = uses_of(numbers_of_keys([user.id]), limit=ROWS_AT_ONCE, before=after[-1] if after else None)
    names = ("at", "method", "path", "status", "outcome", "address", "user_agent")
    return [
        ((0, use.id), {"key": use.key.public_id, **{name: getattr(use, name) for name in names}})
        for use in uses
    ]


def _events(user: User, after: Numbers | None) -> list[Row]:
    """Return the events of a user's account, and those by the user in the user's teams, newest first.

    Leaves out the work of support staff, which names other people, and the addresses of others.
    """
    team_ids = [membership.team_id for membership in memberships_of(user)]
    is_by_user = and_(AuditEvent.team_id.in_(team_ids), AuditEvent.actor_id == user.id)
    query = select(AuditEvent).where(
        or_(AuditEvent.account_id == user.id, is_by_user), AuditEvent.action.not_in(OF_STAFF)
    )
    if position := Position.of(after):
        query = query.where(older_than(AuditEvent.at, AuditEvent.id, position))
    query = query.order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(ROWS_AT_ONCE)
    return [
        (
            Position(event.at, event.id).numbers,
            {
                "id": event.public_id,
                "at": event.at,
                "action": event.action,
                "title": event.title,
                "subject": event.subject,
                "by": event.actor_name,
                "address": event.address if event.actor_id in (None, user.id) else "",
            },
        )
        for event in db.session.scalars(query)
    ]


def _addresses_of(user: User) -> list[str]:
    return stored_forms(user.email or "")


_SECTIONS: dict[str, Callable[[User, Numbers | None], list[Row]]] = {
    "teams": _Table(
        Membership.team_id,
        lambda user: and_(Membership.user_id == user.id, Team.id == Membership.team_id),
        (Team.public_id.label("id"), Team.name, Membership.rights, Membership.created_at.label("joined_at")),
    ),
    "invitations": _Table(
        Invitation.id,
        lambda user: and_(
            Team.id == Invitation.team_id,
            or_(Invitation.email.in_(_addresses_of(user)), Invitation.invited_by_id == user.id),
        ),
        (
            Team.name.label("team"),
            Invitation.email,
            Invitation.rights,
            Invitation.created_at,
            Invitation.sent_at,
            Invitation.expires_at,
            Invitation.accepted_at,
            Invitation.cancelled_at,
        ),
    ),
    "sessions": _Table(
        UserSession.id,
        lambda user: UserSession.user_id == user.id,
        (
            UserSession.public_id.label("id"),
            UserSession.kind,
            UserSession.address,
            UserSession.user_agent,
            UserSession.host,
            UserSession.created_at,
            UserSession.last_active_at,
            UserSession.proven_at,
            UserSession.support_active_at,
            UserSession.expires_at,
            UserSession.ended_at,
        ),
    ),
    "logins_of_commands": _Table(
        DeviceLogin.id,
        lambda user: DeviceLogin.user_id == user.id,
        (
            DeviceLogin.host,
            DeviceLogin.address,
            DeviceLogin.user_agent,
            DeviceLogin.created_at,
            DeviceLogin.decided_at,
            DeviceLogin.is_approved,
        ),
    ),
    "passkeys": _Table(
        Passkey.id,
        lambda user: Passkey.user_id == user.id,
        (Passkey.public_id.label("id"), Passkey.name, Passkey.created_at, Passkey.last_used_at),
    ),
    "recovery_codes": _Table(
        RecoveryCode.id,
        lambda user: RecoveryCode.user_id == user.id,
        (RecoveryCode.created_at, RecoveryCode.used_at),
    ),
    "mailed_links": _Table(
        MailLink.id,
        lambda user: or_(MailLink.user_id == user.id, MailLink.email.in_(_addresses_of(user))),
        (MailLink.purpose, MailLink.email, MailLink.created_at, MailLink.expires_at, MailLink.used_at),
    ),
    "mails": _Table(
        OutboxMessage.id,
        lambda user: OutboxMessage.to.in_(_addresses_of(user)),
        (OutboxMessage.kind, OutboxMessage.to, OutboxMessage.created_at, OutboxMessage.done_at),
    ),
    "purchases": _Table(
        Licence.id,
        lambda user: Licence.claimed_by_id == user.id,
        (Licence.key.label("licence"), Licence.aws_account, Licence.claimed_at, Licence.state),
    ),
    "api_keys": _Table(
        ApiKey.id,
        lambda user: ApiKey.user_id == user.id,
        (
            ApiKey.public_id.label("id"),
            ApiKey.name,
            ApiKey.hint.label("last_characters"),
            ApiKey.created_at,
            ApiKey.expires_at,
            ApiKey.replaced_at,
            ApiKey.revoked_at,
        ),
    ),
    "clients_of_api_keys": _KeyTable(
        KeyClient,
        (KeyClient.address, KeyClient.program, KeyClient.count, KeyClient.first_at, KeyClient.last_at),
    ),
    "refused_requests": _KeyTable(
        RefusedAttempt,
        (
            RefusedAttempt.code,
            RefusedAttempt.at,
            RefusedAttempt.method,
            RefusedAttempt.path,
            RefusedAttempt.address,
            RefusedAttempt.user_agent,
        ),
    ),
    "activity": _events,
    "uses_of_api_keys": _uses,
}
_NAMES = list(_SECTIONS)


def data_of(user: User) -> Iterable[bytes]:
    """Return the file in pieces, as `pieces_of` does: an object with a list for each kind of data.

    Its last member `complete` is false if it could not be finished. Raises Unavailable while too many downloads
    are running.
    """
    ending = f"\n],\n{_member('complete', False)},\n{_member('note', CUT_SHORT)}\n}}\n"
    return pieces_of(StreamedFile(_read, ending.encode()), user, reader=user)


def _read(user: User, cursor: str | None) -> tuple[bytes, str | None]:
    """Return the piece of a step and the next cursor. Every piece but the last ends inside a list."""
    index, *numbers = read_cursor(cursor, 3) or (0, 0, 0)
    rows = _SECTIONS[_NAMES[index]](user, tuple(numbers) if any(numbers) else None)
    piece = "" if cursor else _beginning(user)
    for _, row in rows:
        piece += (",\n" if any(numbers) else "\n") + _json(row)
        numbers = [1]
    if len(rows) == ROWS_AT_ONCE:
        return piece.encode(), write_cursor(index, *rows[-1][0])
    if index + 1 < len(_NAMES):
        return f"{piece}\n],\n{_open_list(_NAMES[index + 1])}".encode(), write_cursor(index + 1, 0, 0)
    return f"{piece}\n],\n{_member('complete', True)}\n}}\n".encode(), None


def _beginning(user: User) -> str:
    current = current_of(user)
    account = {
        "id": user.public_id,
        "full_name": user.full_name,
        "email": user.email,
        "appearance": user.appearance,
        "time_zone": user.time_zone,
        "mails": {switch.value: user.wants(switch) for switch in MailSwitch},
        "is_staff": user.is_staff,
        "created_at": user.created_at,
        "authenticator_app_since": user.totp_on_at,
        "current_team": current.team.public_id if current else None,
    }
    return f"{{\n{_member('created_at', now())},\n{_member('account', account)},\n{_open_list(_NAMES[0])}"


def _open_list(name: str) -> str:
    return f"{_json(name)}: ["


def _member(name: str, value: object) -> str:
    return f"{_json(name)}: {_json(value)}"


def _json(value: object) -> str:
    # Times are the only values that JSON has not.
    return json.dumps(value, default=lambda at: rfc3339(at.astimezone(UTC)))
