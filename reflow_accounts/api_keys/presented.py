"""A key that a request presents: looked up in one statement, without the ORM."""

from collections.abc import Sequence
from dataclasses import dataclass

from reflow_accounts.api_keys.wire import Row, UseFacts, Wire, utc
from reflow_accounts.contract import KEY_PREFIX, Code, is_well_formed
from reflow_accounts.errors import Unauthenticated
from reflow_accounts.extensions import now
from reflow_accounts.identity.secrets import digest_of
from reflow_accounts.subscriptions.models import State


@dataclass(frozen=True, slots=True)
class PresentedTeam:
    """A team of the key's user."""

    public_id: str
    name: str
    rights: str
    subscription: str


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key that is good at this moment, with its user and the user's teams."""

    id: int
    public_id: str
    name: str
    hint: str
    user_id: int
    user_public_id: str
    user_name: str
    user_email: str | None
    user_kind: str
    user_is_staff: bool
    teams: tuple[PresentedTeam, ...]

    @property
    def has_active_subscription(self) -> bool:
        """Whether any team of the user has an active subscription: the gate in front of API keys."""
        return any(team.subscription == State.ACTIVE for team in self.teams)


Admitted = tuple[PresentedKey, int]


def present(secret: str, wire: Wire) -> PresentedKey:
    """Return the live key that `secret` is. Raises Unauthenticated, or Unavailable without the database.

    A wrong checksum is refused before the database is asked. Only who has the whole secret learns that
    it was revoked or has expired; a disabled owner's key is as good as unknown.
    """
    if not secret.startswith(KEY_PREFIX) or not is_well_formed(secret):
        raise Unauthenticated(Code.MALFORMED_KEY, "This is not an API key: it is incomplete or mistyped.")
    at = now()
    rows = wire.look_up(digest_of(secret), at)
    if not rows:
        raise Unauthenticated(Code.UNKNOWN_KEY, "There is no such API key.")
    expires_at, revoked_at = rows[0][4:6]
    if revoked_at is not None:
        raise Unauthenticated(Code.REVOKED_KEY, "This API key was revoked.", revoked_at=utc(revoked_at))
    if rows[0][12] is not None:
        raise Unauthenticated(Code.UNKNOWN_KEY, "There is no such API key.")
    if expires_at is not None and utc(expires_at) <= at:
        raise Unauthenticated(Code.EXPIRED_KEY, "This API key has expired.", expired_at=utc(expires_at))
    return _made_of(rows)


def admit(asked: Sequence[tuple[str, UseFacts]], wire: Wire) -> list[Admitted | None]:
    """Look up the keys that these secrets are, and append the use of each that is plainly good, in one go.

    Return for each the key and the number of its use; None for whatever else it is, which `present` tells
    apart. Raises Unavailable when it is not known whether the uses were recorded: not to be tried again.
    """
    wanted = [(digest_of(secret), use) for secret, use in asked if is_well_formed(secret)]
    found = iter(wire.admit(wanted) if wanted else ())
    return [_admitted(*next(found)) if is_well_formed(secret) else None for secret, _ in asked]


def _admitted(rows: list[Row], number: int | None) -> Admitted | None:
    return None if number is None else (_made_of(rows), number)


# SQLite says 1, PostgreSQL t.
_TRUE = frozenset({1, "t"})


def _made_of(rows: list[Row]) -> PresentedKey:
    first = rows[0]
    teams = tuple(
        PresentedTeam(row[13], row[14], row[15], row[16] or State.INACTIVE.value) for row in rows if row[13]
    )
    return PresentedKey(
        id=int(first[0]),
        public_id=first[1],
        name=first[2],
        hint=first[3],
        user_id=int(first[6]),
        user_public_id=first[7],
        user_name=first[8],
        user_email=first[9],
        user_kind=first[10],
        user_is_staff=first[11] in _TRUE,
        teams=teams,
    )
