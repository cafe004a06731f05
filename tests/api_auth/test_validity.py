"""Keys at exact instants: event loop (SQL) and Flask (Python) give the verdict of one table."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from reflow_accounts.api_auth import bearer, forward_auth
from reflow_accounts.api_auth.verify import PresentedKey, verify
from reflow_accounts.api_keys.models import Use
from reflow_accounts.database import db, now
from reflow_accounts.errors import InsufficientRights, SubscriptionInactive, Unauthenticated
from reflow_accounts.subscriptions.models import Licence, Override
from reflow_accounts.subscriptions.status import effective_state
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.api_auth.lookups import add_key, authenticate_in_store, lookup
from tests.factories import Group, Person
from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

# Some formats omit zero microseconds.
INSTANTS = [datetime(2026, 11, 24, 12, 0, 0, part, UTC) for part in (0, 500_000)]
# Times of events relative to the instant of the request.
EARLIER, NOW, LATER = (timedelta(microseconds=step) for step in (-1, 0, 1))
YEAR = timedelta(days=365)

Fact = tuple[type[Any], dict[str, Any]]


def override(is_active: bool, expires_at: timedelta | None = None, ended_at: timedelta | None = None) -> Fact:
    return Override, {"is_active": is_active, "expires_at": expires_at, "ended_at": ended_at}


def licence(state: str, ends_at: timedelta | None = None) -> Fact:
    return Licence, {"state": state, "ends_at": ends_at}


FORCED_ON, FORCED_OFF, ACTIVE = override(True, YEAR), override(False), licence("active")
PAID, UNPAID = [ACTIVE], []


@dataclass(frozen=True)
class Case:
    """A key, its user and the facts of each of the user's teams; `verdict` is the outcome of its use."""

    title: str
    verdict: str
    teams: tuple[list[Fact], ...] = (PAID,)
    expires_at: timedelta | None = None
    revoked_at: timedelta | None = None
    disabled_at: timedelta | None = None
    is_service_account: bool = False

    def __str__(self) -> str:
        return self.title


def team_case(title: str, is_active: bool, *facts: Fact) -> Case:
    return Case(title, "accepted" if is_active else "subscription_inactive", (list(facts),))


CASES = [
    Case("fresh key", "accepted"),
    Case("expires later", "accepted", expires_at=LATER),
    Case("expires now", "expired_key", expires_at=NOW),
    Case("expired earlier", "expired_key", expires_at=EARLIER),
    Case("expired, unpaid", "expired_key", (UNPAID,), expires_at=NOW),
    Case("revoked earlier", "revoked_key", revoked_at=EARLIER),
    Case("revoked now", "revoked_key", revoked_at=NOW),
    Case("revoked by a clock that is ahead", "revoked_key", revoked_at=LATER),
    Case("revoked and expired", "revoked_key", expires_at=EARLIER, revoked_at=EARLIER),
    Case("user disabled", "account_disabled", disabled_at=EARLIER),
    Case("user disabled, key expired", "account_disabled", expires_at=NOW, disabled_at=NOW),
    Case("user disabled, key revoked", "revoked_key", revoked_at=EARLIER, disabled_at=EARLIER),
    Case("service account", "accepted", is_service_account=True),
    Case("service account disabled", "account_disabled", disabled_at=NOW, is_service_account=True),
    Case("service account unpaid", "subscription_inactive", (UNPAID,), is_service_account=True),
    Case("no team", "subscription_inactive", ()),
    Case("no team, key expired", "expired_key", (), expires_at=NOW),
    Case("two teams, neither paid", "subscription_inactive", (UNPAID, UNPAID)),
    Case("two teams, the first paid", "accepted", (PAID, UNPAID)),
    Case("two teams, the second paid", "accepted", (UNPAID, PAID)),
    Case("two teams, both paid", "accepted", (PAID, PAID)),
    Case("two teams, key expired", "expired_key", (UNPAID, PAID), expires_at=NOW),
    team_case("no subscription", False),
    team_case("forced on until now", False, override(True, NOW)),
    team_case("forced on until later", True, override(True, LATER)),
    team_case("forced on until earlier, paid", True, override(True, EARLIER), ACTIVE),
    team_case("forced on, then ended", False, override(True, YEAR, EARLIER)),
    team_case("forced off", False, FORCED_OFF),
    team_case("forced off, paid", False, FORCED_OFF, ACTIVE),
    team_case("forced off until now, paid", True, override(False, NOW), ACTIVE),
    team_case("forced off until later, paid", False, override(False, LATER), ACTIVE),
    team_case("forced off, then ended, paid", True, override(False, None, EARLIER), ACTIVE),
    team_case("forced off before, on now", True, override(False, None, EARLIER), FORCED_ON),
    team_case("forced on, licence ended", True, FORCED_ON, licence("ended")),
    team_case("licence pending", False, licence("pending")),
    team_case("licence active", True, ACTIVE),
    team_case("licence active, an old end", True, licence("active", EARLIER)),
    team_case("licence ends now", False, licence("ending", NOW)),
    team_case("licence ends later", True, licence("ending", LATER)),
    team_case("licence ended earlier", False, licence("ending", EARLIER)),
    team_case("licence ends some day", True, licence("ending")),
    team_case("licence ended", False, licence("ended")),
    team_case("licence ended, an end to come", False, licence("ended", YEAR)),
    team_case("one licence of two ends now", True, licence("ending", NOW), ACTIVE),
]
each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_instant = pytest.mark.parametrize("at", INSTANTS, ids=lambda at: f"{at:%f}")


def with_absolute_times(columns: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Return the columns with each timedelta replaced by a time relative to `at`."""
    return {name: at + value if isinstance(value, timedelta) else value for name, value in columns.items()}


def set_facts(group: Group, facts: list[Fact], at: datetime) -> None:
    common = {
        Override: {"by_name": "Sam", "reason": "for a test", "ticket": ""},
        Licence: {"product_code": "reflow", "aws_account": "123456789012"},
    }
    with group.app.app_context():
        for number, (model, columns) in enumerate(facts):
            key = {"key": f"{group.id} {number}"} if model is Licence else {}
            db.session.add(
                model(team_id=group.row().id, **key, **common[model], **with_absolute_times(columns, at))
            )
        db.session.commit()


def create_case(app, case: Case, at: datetime) -> tuple[Person, list[Group], str]:
    """Put a case into the database; return the user, the teams and the secret."""
    user = owner = factories.person(app)
    groups = [factories.team(app, f"Team {number}", owner) for number in range(len(case.teams))]
    for group, facts in zip(groups, case.teams, strict=True):
        set_facts(group, facts, at)
    if case.is_service_account:
        user = factories.service_account(app, groups[0], "ci")
    secret = add_key(
        user, **with_absolute_times({"expires_at": case.expires_at, "revoked_at": case.revoked_at}, at)
    )
    if case.disabled_at is not None:
        user.change(disabled_at=at + case.disabled_at)
    return user, groups, secret


def authenticate(app, secret: str, at: datetime) -> PresentedKey:
    """Have Flask authenticate a key at an instant."""
    with time_machine.travel(at, tick=False), app.app_context():
        assert now() == at
        return bearer.authenticate(secret)


def verdict_of(find: Callable[[], PresentedKey]) -> tuple[str, str, dict[str, Any]]:
    """Return the outcome of a use of the key that is found, and the sentence and times of a refusal."""
    try:
        key = find()
    except Unauthenticated as refused:
        return str(refused.reason), str(refused), dict(refused.members)
    return ("accepted" if key.has_active_subscription else "subscription_inactive"), "", {}


def computed_state(team_id: int, at: datetime) -> str:
    """Return what Python computes of a team's override and licences."""
    is_current = (Override.team_id == team_id, Override.ended_at.is_(None))
    licences = db.session.scalars(select(Licence).where(Licence.team_id == team_id))
    return str(effective_state(db.session.scalar(select(Override).where(*is_current)), licences, at))


def is_granted(key: PresentedKey | None, query: str) -> bool:
    try:
        return key is not None and forward_auth.grant(query, key.teams) is not None
    except (InsufficientRights, SubscriptionInactive):
        return False


@each_case
@each_instant
def test_store_records_each_allowed_request_once(app, case, at):
    _, groups, secret = create_case(app, case, at)
    [found] = authenticate_in_store(app, [lookup(secret, at)])
    verdict = verdict_of(lambda: verify(found.rows))
    assert verdict[0] == case.verdict
    assert verdict == verdict_of(lambda: authenticate(app, secret, at))
    is_allowed = case.verdict == "accepted"
    assert (found.use_number is not None, rows.count(app, Use)) == (is_allowed, is_allowed)
    with app.app_context():
        by_python = [computed_state(group.row().id, at) for group in groups]
    assert [row.state for row in found.rows if row.team_public_id] == by_python


@each_case
@each_instant
def test_flask_responds_as_the_table_says(app, api, case, at):
    _, groups, secret = create_case(app, case, at)
    with time_machine.travel(at, tick=False):
        response = api(secret).get("/me")
    if case.verdict == "accepted":
        assert (response.status_code, len(response.json["teams"])) == (200, len(groups))
    else:
        problem_of(response, 403 if case.verdict == "subscription_inactive" else 401, case.verdict)
    # The use of a valid key is recorded, whatever the answer (contract, 7).
    assert rows.count(app, Use) == (case.verdict in ("accepted", "subscription_inactive"))


@each_case
def test_sql_and_python_allow_the_same_requests(app, case):
    at = INSTANTS[0]
    user, groups, secret = create_case(app, case, at)
    other_group = factories.team(app, "Others", factories.person(app))
    set_facts(other_group, PAID, at)
    teams = [*(group.id for group in groups), other_group.id, "team_unknown", ""]
    combinations = [(team, needed) for team in teams for needed in Rights]
    requests = [
        lookup(secret, at, team, " ".join(needed.sufficient_rights())) for team, needed in combinations
    ]
    requests.append(lookup(secret, at))
    for rights in Rights:
        for group in groups:
            group.give(user, rights)
        before = rows.count(app, Use)
        found = authenticate_in_store(app, requests)
        key = None
        with suppress(Unauthenticated):
            key = authenticate(app, secret, at)
        by_python = [is_granted(key, f"team={team}&rights={needed}") for team, needed in combinations]
        by_python.append(key is not None and key.has_active_subscription)
        assert [result.use_number is not None for result in found] == by_python
        assert rows.count(app, Use) - before == sum(by_python)


@pytest.mark.parametrize("paid", ["asked", "other", "both", "neither"])
@pytest.mark.parametrize("needed", Rights)
@pytest.mark.parametrize("rights", Rights)
def test_forward_auth_needs_rights_and_the_teams_subscription(app, api, rights, needed, paid):
    at, teams = INSTANTS[1], [PAID if paid in (team, "both") else UNPAID for team in ("asked", "other")]
    user, (group, _), secret = create_case(app, Case("", "", tuple(teams)), at)
    group.give(user, rights)
    [found] = authenticate_in_store(app, [lookup(secret, at, group.id, " ".join(needed.sufficient_rights()))])
    with time_machine.travel(at, tick=False):
        response = api(secret).get(f"/authorize?team={group.id}&rights={needed}")
    order = ["view", "edit", "admin"]
    has_rights = order.index(rights) >= order.index(needed)
    if has_rights and paid in ("asked", "both"):
        assert (response.status_code, found.use_number is not None) == (204, True)
        return
    assert found.use_number is None
    # Without any active subscription the key is refused before rights are checked.
    is_unpaid = has_rights or paid == "neither"
    problem_of(response, 403, "subscription_inactive" if is_unpaid else "insufficient_rights")
