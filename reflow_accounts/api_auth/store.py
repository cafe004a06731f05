"""The SQL of a key check for SQLite and PostgreSQL, and the requests and results of their stores."""

from typing import Any, NamedTuple

from reflow_accounts.api_keys.usage.rollup import NewUse
from reflow_accounts.subscriptions.status import JOIN_OVERRIDE, STATE

# A key check that waits longer than this for the database or its write lock is answered with 503.
TIMEOUT_S = 5.0

# A key is valid until it is revoked, its user is disabled, or `expires_at` is reached.
_IS_VALID = "k.revoked_at IS NULL AND u.disabled_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > {0})"
# A key, its user and the user's teams: a row for each team. {0} is the digest, {1} the current time.
LOOK_UP = f"""
SELECT k.id AS key_id, k.public_id, k.name, k.hint, k.expires_at, k.revoked_at, {_IS_VALID.format("{1}")} AS is_valid,
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
# Whether a row of `LOOK_UP` (named `lookup`) allows the request. Its team must have an active subscription, and, if
# a proxy names a team, be that team with one of the sufficient rights. {0} is the team's public id or NULL, {1} the
# sufficient rights, separated by spaces.
IS_ALLOWED = """
lookup.is_valid AND lookup.state = 'active'
AND ({0} IS NULL OR (lookup.team_public_id = {0} AND replace({1}, lookup.rights, '') <> {1}))
"""
USE_COLUMNS = ", ".join(NewUse._fields)


class LookupRow(NamedTuple):
    """One row of `LOOK_UP`. Times are datetimes or text in UTC; without a team its columns are None."""

    key_id: int
    public_id: str
    name: str
    hint: str
    expires_at: Any
    revoked_at: Any
    is_valid: Any
    user_id: int
    user_public_id: str
    full_name: str
    email: str | None
    kind: str
    is_staff: Any
    disabled_at: Any
    team_public_id: str | None
    team_name: str
    rights: str
    state: str


class LookupRequest(NamedTuple):
    """A key check.

    `team` is the public id of the team that a proxy names, `rights` the sufficient rights to it, separated by
    spaces; None if any team is sufficient. `use` is recorded when the request is allowed; the store fills in its key.
    """

    digest: bytes
    team: str | None
    rights: str
    use: NewUse


class LookupResult(NamedTuple):
    """The rows of `LOOK_UP`, none for an unknown key, and the id of the use, if it was recorded."""

    rows: list[LookupRow]
    use_number: int | None
