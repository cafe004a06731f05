"""The SQL of a key check, the same for SQLite and PostgreSQL, and what its two stores take and return."""

from typing import Any, NamedTuple

from reflow_accounts.api_keys.usage.record import UseFacts
from reflow_accounts.subscriptions.status import JOIN_OVERRIDE, STATE

# A key check that waits longer than this for the database, or for its writer, is answered with 503.
TIMEOUT_S = 5.0

# The rule: a key is valid until it is revoked, its user is disabled, or the time is `expires_at`.
_IS_VALID = "k.revoked_at IS NULL AND u.disabled_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > {0})"
# Facts about a key, its user and the user's teams: a row for each team. {0} is the digest, {1} the current time.
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
# Whether a row of `LOOK_UP` (named `found`) allows the request. Its team must have an active subscription, and,
# where a proxy asks about a team, be that one, with one of the rights that are listed. {0} is the team's public
# id or NULL, {1} the rights, separated by spaces.
IS_ALLOWED = """
found.is_valid AND found.state = 'active'
AND ({0} IS NULL OR (found.team_public_id = {0} AND replace({1}, found.rights, '') <> {1}))
"""
USE_COLUMNS = ", ".join(UseFacts._fields)


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
    """One request whose key is to be checked.

    `team` is the public id of the team that a proxy asks about, with the sufficient `rights` to it, separated by
    spaces; None if any team is sufficient. `use` is recorded when the request is allowed; the store fills in its key.
    """

    digest: bytes
    team: str | None
    rights: str
    use: UseFacts


class LookupResult(NamedTuple):
    """The rows of `LOOK_UP`, none for an unknown key, and the number of the use, if it was recorded."""

    rows: list[LookupRow]
    use_number: int | None
