"""Evaluates the lookup of an API key (store.py decides its validity): teams or a refusal; the body of `/me`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from reflow_accounts.api_auth.store import LookupRow
from reflow_accounts.auth.models import UserSession
from reflow_accounts.contract import KEY_PREFIX, Code, is_well_formed
from reflow_accounts.errors import Unauthenticated
from reflow_accounts.subscriptions.models import State
from reflow_accounts.subscriptions.service import statuses_of
from reflow_accounts.teams.service import memberships_of
from reflow_accounts.users.models import User, UserKind

JSON = "application/json"
_encode = json.JSONEncoder(separators=(",", ":")).encode
_DISABLED = {
    UserKind.SERVICE_ACCOUNT: "The service account of this API key is disabled. An Admin of its team can enable it.",
    UserKind.PERSON: "The account of this API key is disabled. Contact support.",
}


class PresentedTeam(NamedTuple):
    """A team of the caller."""

    public_id: str
    name: str
    rights: str
    subscription: str


class PresentedKey(NamedTuple):
    """A valid key: `facts` about it and its user, and the user's teams."""

    facts: LookupRow
    teams: tuple[PresentedTeam, ...]

    @property
    def expires_at(self) -> datetime | None:
        """The expiry of the key; None without one."""
        return None if self.facts.expires_at is None else _time(self.facts.expires_at)

    @property
    def has_active_subscription(self) -> bool:
        """Whether any team of the user has an active subscription, which API keys require."""
        return any(team.subscription == State.ACTIVE for team in self.teams)


def is_key(secret: str) -> bool:
    """Return whether `secret` is a complete API key with a correct checksum; nothing else is looked up."""
    return secret.startswith(KEY_PREFIX) and is_well_formed(secret)


def verify(rows: Sequence[LookupRow]) -> PresentedKey:
    """Return the valid key that was looked up. Raises Unauthenticated for an invalid or unknown one.

    Only a caller with the whole secret learns that the account of the key is disabled, and whether it is a
    service account.
    """
    if not rows:
        raise Unauthenticated(Code.UNKNOWN_KEY, "There is no such API key.")
    key = rows[0]
    if key.is_valid:
        teams = (row for row in rows if row.team_public_id)
        return PresentedKey(key, tuple(PresentedTeam._make(row[-4:]) for row in teams))
    owner = {"account_kind": str(key.kind)}  # decides who can create another key
    if key.revoked_at is not None:
        raise Unauthenticated(
            Code.REVOKED_KEY, "This API key was revoked.", revoked_at=_time(key.revoked_at), **owner
        )
    if key.disabled_at is not None:
        raise Unauthenticated(Code.ACCOUNT_DISABLED, _DISABLED[UserKind(key.kind)], **owner)
    raise Unauthenticated(
        Code.EXPIRED_KEY, "This API key has expired.", expired_at=_time(key.expires_at), **owner
    )


def _time(value: Any) -> datetime:
    """Convert a time of a lookup, which on SQLite is text in UTC without a zone."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value


def teams_of_session(session: UserSession) -> list[PresentedTeam]:
    """Return the teams of the session's user in the form of a key's teams."""
    memberships = memberships_of(session.user)
    statuses = statuses_of([membership.team_id for membership in memberships])
    return [
        PresentedTeam(
            membership.team.public_id,
            membership.team.name,
            membership.rights,
            statuses[membership.team_id].state,
        )
        for membership in memberships
    ]


def body_of_key(key: PresentedKey) -> bytes:
    """Return the body of `/me` for a caller with `key`, without a query."""
    facts = key.facts
    proof = {"type": "key", "id": facts.public_id, "name": facts.name, "hint": facts.hint}
    return _body(facts.user_public_id, facts, key.teams, proof)


def body_of_session(session: UserSession) -> bytes:
    """Return the body of `/me` for a caller with this session."""
    proof = {"type": "session", "id": session.public_id, "name": None, "hint": None}
    return _body(session.user.public_id, session.user, teams_of_session(session), proof)


def _body(
    user_id: str, user: LookupRow | User, teams: Iterable[PresentedTeam], proof: Mapping[str, str | None]
) -> bytes:
    data = {
        "user": {
            "id": user_id,
            "name": user.full_name,
            "email": user.email,
            "kind": user.kind,
            "is_staff": bool(user.is_staff),
        },
        "teams": [
            {
                "id": team.public_id,
                "name": team.name,
                "rights": team.rights,
                "subscription": team.subscription,
            }
            for team in teams
        ],
        "authenticated_by": proof,
    }
    return _encode(data).encode()
