"""What the hot path asks of a database, whichever it is."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from reflow_accounts.subscriptions.effective import JOIN_OVERRIDE, STATE

SORRY = "Reflow cannot reach its database. Nothing was changed. Try again in a few seconds."

# All that a request with a key must know, in one statement: a row for each team of the key's user. {0} is the
# digest, {1} the moment.
LOOK_UP = f"""
SELECT k.id AS key_id, k.public_id, k.name, k.hint, k.expires_at, k.revoked_at,
       u.id AS user_id, u.public_id AS user_public_id, u.full_name, u.email, u.kind, u.is_staff, u.disabled_at,
       t.public_id AS team_public_id, t.name AS team_name, m.rights, {STATE.format("m.team_id", "{1}")} AS state
FROM api_keys k
JOIN users u ON u.id = k.user_id
LEFT JOIN memberships m ON m.user_id = u.id
LEFT JOIN teams t ON t.id = m.team_id
{JOIN_OVERRIDE.format("m.team_id")}
WHERE k.digest = {{0}}
ORDER BY m.created_at, m.team_id
"""  # noqa: S608  # made of constants
APPEND = """
INSERT INTO uses (key_id, at, method, path, status, outcome, address, user_agent)
VALUES ({0})
"""

Row = tuple[Any, ...]


class UseFacts(NamedTuple):
    """One use as it is appended; `outcome` is "accepted" or the error code that the answer carries."""

    key_id: int
    at: datetime
    method: str
    path: str
    status: int
    outcome: str
    address: str
    user_agent: str


Asked = tuple[bytes, UseFacts]
Found = tuple[list[Row], int | None]


class Wire(Protocol):
    """What the hot path asks of a database. Each raises Unavailable when it is away, full or locked."""

    # Whether several requests cost less together than one by one (bench/README.md).
    goes_together: bool

    def close(self) -> None:
        """Close what nobody uses now; what is needed is opened anew."""

    def look_up(self, digest: bytes, at: datetime) -> list[Row]:
        """Return the rows of `LOOK_UP` at a moment: none for an unknown digest."""

    def append(self, use: UseFacts) -> int:
        """Append one use, durable when this returns, and return its number. Never tried twice."""

    def admit(self, asked: Sequence[Asked]) -> list[Found]:
        """Look each key up and, when it is good now and paid for, append its use (whose key is put in).

        Return for each the rows of `LOOK_UP`, and the number of the use or None. All of it is true, or,
        when this raises, nothing is known of any.
        """


def is_good(rows: list[Row], at: datetime) -> bool:
    """Say whether the key that was found is live, its user enabled, and one of the user's teams paid for."""
    if not rows:
        return False
    expires_at, revoked_at, disabled_at = rows[0][4], rows[0][5], rows[0][12]
    is_live = revoked_at is None and disabled_at is None
    return (
        is_live and (expires_at is None or utc(expires_at) > at) and any(row[16] == "active" for row in rows)
    )


def utc(value: str) -> datetime:
    """Return a time as the lookup gives it: text in UTC, with its zone or, on SQLite, without."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC)
