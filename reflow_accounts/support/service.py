"""Teams in the console: search, subscription status, overrides."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Select, case, false, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.service import ROWS_ON_A_PAGE, ListedKey, live_key_counts, with_usage_counts
from reflow_accounts.api_keys.usage.queries import last_uses_of
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.database import db, require_row
from reflow_accounts.email_addresses import stored_forms
from reflow_accounts.errors import InsufficientRights
from reflow_accounts.subscriptions import overrides
from reflow_accounts.subscriptions.models import Licence, State, SubscriptionChange
from reflow_accounts.subscriptions.service import (
    Attention,
    SubscriptionStatus,
    changes_of,
    ids_of_teams,
    statuses_of,
    teams_and_attention,
)
from reflow_accounts.teams.models import Membership, Team
from reflow_accounts.teams.service import NO_SUCH_TEAM, memberships_of
from reflow_accounts.users.models import User
from reflow_accounts.web import text
from reflow_accounts.web.pagination import Page, newest_first, oldest_first, read_cursor
from reflow_accounts.web.text import holds_secret

MOST_RESULTS = 50
MOST_EXPORTED = 10_000
# PostgreSQL takes 65,535 parameters in a statement.
_TEAMS_AT_ONCE = 1_000
# A filter of the list of teams, besides the states.
ATTENTION = "attention"
SOON = timedelta(days=7)
_REASONS = {
    Attention.CONTRADICTED: "Support and AWS disagree",
    Attention.ENDING: "The override ends within 7 days",
    Attention.WAITING: "The purchase waits for AWS",
}


@dataclass(frozen=True)
class ConsoleTeam:
    """A team in the console; `is_own` if the current user is a member, `attention` why staff should check it."""

    team: Team
    status: SubscriptionStatus
    key_count: int
    last_request_at: datetime | None
    is_own: bool
    attention: str = ""

    @property
    def aws_account(self) -> str | None:
        """The AWS account of the best licence."""
        licence = self.status.licence
        return licence.aws_account if licence else None

    def verb(self, active: bool) -> str:
        """Return the label of the button that makes the subscription active or inactive."""
        if self.status.is_forced(active):
            return "Change end"
        if active == self.status.is_active:
            return "Keep active" if active else "Keep inactive"
        return "Activate" if active else "Deactivate"


def find_teams(query_text: str, *, by: User, state: str = "", limit: int = MOST_RESULTS) -> list[ConsoleTeam]:
    """Return up to `limit` teams by name or id, a member's address or id, or an AWS account.

    An empty text matches all teams, a secret none. `state` selects the active or the inactive teams, or those that
    need "attention". Teams that need attention come first, then by name.
    """
    attention = teams_and_attention(SOON).subquery()
    query = _search_query(query_text).outerjoin(attention, attention.c.team_id == Team.id)
    if state in list(State):
        query = query.where(Team.id.in_(ids_of_teams(State(state))))
    elif state == ATTENTION:
        query = query.where(attention.c.reason.is_not(None))
    rank = case((attention.c.reason.is_not(None), 0), else_=1)
    query = query.order_by(rank, func.lower(Team.name), Team.id).limit(limit)
    rows = db.session.execute(query.add_columns(attention.c.reason)).all()
    teams = _describe_teams([team for team, _ in rows], by)
    reasons = [_REASONS[reason] if reason else "" for _, reason in rows]
    return [replace(team, attention=reason) for team, reason in zip(teams, reasons, strict=True)]


def teams_page(query_text: str, *, by: User, limit: int, cursor: str | None) -> Page[ConsoleTeam]:
    """Return a page of the matching teams (see `find_teams`), newest first."""
    page = newest_first(_search_query(query_text), Team.created_at, Team.id, limit=limit, cursor=cursor)
    return Page(_describe_teams(list(page.items), by), page.next_cursor)


def _search_query(query_text: str) -> Select[Team]:
    if holds_secret(query_text):
        return select(Team).where(false())
    term = text.tidy(query_text)[: text.LONGEST_TERM]
    if not term:
        return select(Team)
    team_ids = select(Membership.team_id).join(User, User.id == Membership.user_id)
    has_email = or_(User.email.icontains(term, autoescape=True), User.email.in_(stored_forms(term)))
    conditions = [
        Team.name.icontains(term, autoescape=True),
        Team.public_id == term,
        Team.id.in_(team_ids.where(or_(has_email, User.public_id == term))),
    ]
    aws_account = re.sub(r"[\s-]", "", term)
    if re.fullmatch(r"[0-9]{12}", aws_account):
        conditions.append(Team.id.in_(select(Licence.team_id).where(Licence.aws_account == aws_account)))
    return select(Team).where(or_(*conditions))


def team_of(public_id: str) -> Team:
    """Return a team. Raises NotFound."""
    return require_row(select(Team).where(Team.public_id == public_id), NO_SUCH_TEAM)


def describe_team(team: Team, *, by: User) -> ConsoleTeam:
    """Return one team as the console shows it to `by`."""
    return _describe_teams([team], by)[0]


def members_page(team: Team, *, cursor: str | None) -> Page[tuple[Membership, int]]:
    """Return a page of a team's users, with their numbers of live keys, oldest membership first.

    Raises ValidationFailed for an invalid cursor.
    """
    query = select(Membership).join(Membership.user).options(contains_eager(Membership.user))
    query = query.where(Membership.team_id == team.id)
    at, number = Membership.created_at, Membership.user_id
    page = oldest_first(query, at, number, limit=ROWS_ON_A_PAGE, cursor=cursor)
    counts = live_key_counts([row.user_id for row in page.items])
    return Page([(row, counts[row.user_id]) for row in page.items], page.next_cursor)


def changes_page(team: Team, *, cursor: str | None) -> Page[SubscriptionChange]:
    """Return a page of the changes of a team's subscription, newest first.

    Raises ValidationFailed for an invalid cursor.
    """
    (before,) = read_cursor(cursor, 1) or (None,)
    rows = changes_of(team, limit=ROWS_ON_A_PAGE + 1, before=before)
    return Page.cut(rows, ROWS_ON_A_PAGE, lambda row: (row.id,))


def keys_of_members_page(team: Team, *, cursor: str | None) -> Page[ListedKey]:
    """Return a page of the live keys of a team's members with their usage counts, newest first.

    Raises ValidationFailed for an invalid cursor.
    """
    is_member = Membership.user_id == ApiKey.user_id
    query = select(ApiKey).join(Membership, is_member).options(joinedload(ApiKey.user))
    query = query.where(Membership.team_id == team.id, ApiKey.revoked_at.is_(None))
    page = newest_first(query, ApiKey.created_at, ApiKey.id, limit=ROWS_ON_A_PAGE, cursor=cursor)
    return Page(with_usage_counts(list(page.items)), page.next_cursor)


def record_team_view(team: Team, *, by: User, address: str) -> None:
    """Record in the audit log that staff viewed a team."""
    record(Action.TEAM_VIEWED, by=by, team=team, subject=team.name, address=address)


def _describe_teams(teams: list[Team], by: User) -> list[ConsoleTeam]:
    own_ids = {membership.team_id for membership in memberships_of(by)}
    console_teams = []
    for first in range(0, len(teams), _TEAMS_AT_ONCE):
        batch = teams[first : first + _TEAMS_AT_ONCE]
        ids = [team.id for team in batch]
        statuses, key_counts, last_requests = statuses_of(ids), _key_counts(ids), _last_requests(ids)
        console_teams += [
            ConsoleTeam(
                team,
                statuses[team.id],
                key_counts.get(team.id, 0),
                last_requests.get(team.id),
                is_own=team.id in own_ids,
            )
            for team in batch
        ]
    return console_teams


def _key_counts(team_ids: list[int]) -> dict[int, int]:
    query = (
        select(Membership.team_id, func.count())
        .join(ApiKey, ApiKey.user_id == Membership.user_id)
        .where(Membership.team_id.in_(team_ids), ApiKey.revoked_at.is_(None))
        .group_by(Membership.team_id)
    )
    return dict(db.session.execute(query).all())


def _last_requests(team_ids: list[int]) -> dict[int, datetime]:
    query = select(Membership.team_id, Membership.user_id).where(Membership.team_id.in_(team_ids))
    members = db.session.execute(query).all()
    last_uses = last_uses_of({user_id for _, user_id in members})
    latest: dict[int, datetime] = {}
    for team_id, user_id in members:
        at = last_uses.get(user_id)
        if at and (team_id not in latest or at > latest[team_id]):
            latest[team_id] = at
    return latest


def refuse_own_team(team: Team, *, by: User) -> None:
    """Raise InsufficientRights when `by` is a member of the team."""
    query = select(Membership.team_id).where(Membership.user_id == by.id, Membership.team_id == team.id)
    if db.session.scalar(query) is not None:
        raise InsufficientRights("You belong to this team, so a colleague in support must change it.")


def set_active(
    team: Team,
    active: bool,
    reason: str,
    *,
    by: User,
    version: int | None = None,
    until: datetime | None = None,
    ticket: str = "",
) -> bool:
    """Override a subscription (see `overrides.set_active`). Raises InsufficientRights for a team of `by`."""
    refuse_own_team(team, by=by)
    return overrides.set_active(team, active, reason, by=by, version=version, until=until, ticket=ticket)


def lift(team: Team, reason: str, *, by: User, version: int | None = None) -> bool:
    """End an override (see `overrides.lift`). Raises InsufficientRights for a team of `by`."""
    refuse_own_team(team, by=by)
    return overrides.lift(team, reason, by=by, version=version)


def record_search(query_text: str, *, by: User, address: str) -> None:
    """Record a search in the audit log. A secret matches nothing and is not recorded."""
    if holds_secret(query_text):
        return
    record(Action.SUPPORT_SEARCHED, by=by, subject=text.tidy(query_text) or "every team", address=address)
