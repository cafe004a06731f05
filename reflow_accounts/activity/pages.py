"""The Activity tab with its chart: the coordinates of an inline SVG, and its description."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import TypeVar

from flask import Blueprint, Response, render_template, request

from reflow_accounts.activity.export import MEDIA_TYPES, ExportFormat, file_of
from reflow_accounts.activity.service import Filter, Outcome, activity_of, daily_uses
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.service import KeyState, key_of, keys_of
from reflow_accounts.api_keys.usage.daily_counts import DayCount
from reflow_accounts.audit.actions import EventGroup
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.database import now
from reflow_accounts.teams.models import Membership, Rights
from reflow_accounts.teams.service import current_of, membership_of
from reflow_accounts.teams.service_accounts import account_visible_to
from reflow_accounts.users.models import User
from reflow_accounts.web.pagination import DEFAULT_LIMIT
from reflow_accounts.web.text import zone_of

WIDTH, HEIGHT = 960, 170
# Space above the highest bar, and between the accepted and the refused part of one.
_TOP, _GAP = 10, 1
# Width of a bar relative to that of a day.
_BAR_SHARE = 0.75

# Days in the chart for a period; 30 without a period, and no chart for 24 hours.
DAYS = {"7d": 7, "30d": 30}
LONGEST_DAYS = 30
Choice = TypeVar("Choice", bound=StrEnum)
pages = Blueprint("activity", __name__, url_prefix="/activity")


@dataclass(frozen=True)
class Bar:
    """The bar of one day. Heights are 0 without requests."""

    day: DayCount
    x: float
    width: float
    accepted_y: float
    accepted_height: float
    refused_y: float
    refused_height: float


@dataclass(frozen=True)
class Chart:
    """Requests per day, oldest first, of at least one day."""

    days: Sequence[DayCount]

    @property
    def total(self) -> int:
        return sum(day.accepted + day.refused for day in self.days)

    @property
    def bars(self) -> list[Bar]:
        """The bars in a drawing of WIDTH × HEIGHT."""
        highest = max(1, *(day.accepted + day.refused for day in self.days))
        step, scale = WIDTH / len(self.days), (HEIGHT - _TOP - _GAP) / highest
        bars = []
        for place, day in enumerate(self.days):
            accepted, refused = round(day.accepted * scale, 1), round(day.refused * scale, 1)
            x = round(step * (place + (1 - _BAR_SHARE) / 2), 1)
            accepted_y = round(HEIGHT - accepted, 1)
            refused_y = round(accepted_y - refused - (_GAP if accepted else 0), 1)
            bars.append(Bar(day, x, round(step * _BAR_SHARE, 1), accepted_y, accepted, refused_y, refused))
        return bars

    @property
    def title(self) -> str:
        first, last = self.days[0], self.days[-1]
        return f"Requests per day, {_format_day(first)} to {_format_day(last)} {last.day.year}"

    @property
    def description(self) -> str:
        """Text about the trend, the day with most requests, and the days with refused ones."""
        if not self.total:
            return "No requests on any day."
        middle = len(self.days) // 2
        before, after = (
            sum(day.accepted + day.refused for day in half)
            for half in (self.days[:middle], self.days[-middle:])
        )
        trend = "Rising" if after > before * 1.1 else "Falling" if after < before * 0.9 else "Steady"
        peak = max(self.days, key=lambda day: day.accepted + day.refused)
        return " ".join(
            (
                f"{trend}: {before:,} request{'' if before == 1 else 's'} in the first half of the days, "
                f"{after:,} in the second.",
                f"Most on {_format_day(peak)}: {peak.accepted + peak.refused:,}.",
                self._refusals(),
            )
        )

    @property
    def axis(self) -> list[str]:
        """The first, the middle and the last day, for labels below the drawing."""
        last = len(self.days) - 1
        days = [self.days[place].day for place in sorted({0, last // 2, last})]
        return [f"{day.day} {day:%b}" for day in days]

    def _refusals(self) -> str:
        refused = [day for day in self.days if day.refused]
        if not refused:
            return "None was refused."
        worst = max(refused, key=lambda day: day.refused)
        return (
            f"Refused on {len(refused)} day{'' if len(refused) == 1 else 's'}, most on {_format_day(worst)}: "
            f"{worst.refused:,} of {worst.accepted + worst.refused:,}."
        )


def _format_day(day: DayCount) -> str:
    return f"{day.day.day} {day.day:%B}"


@dataclass(frozen=True)
class ActivityScope:
    """Whose activity is shown: the current user with one team, or a service account of such a team.

    `membership` is that of the current user in the team; None without a team, or if none of several was chosen.
    """

    subject: User
    membership: Membership | None

    @property
    def account(self) -> User | None:
        return None if self.subject.is_person else self.subject

    @property
    def is_admin(self) -> bool:
        return self.membership is not None and self.membership.rights == Rights.ADMIN

    @property
    def team_ids(self) -> tuple[int, ...]:
        return (self.membership.team_id,) if self.membership else ()

    @property
    def uses_only(self) -> bool:
        """Whether events of the account are left out, because only Admins see them."""
        return self.account is not None and not self.is_admin


@pages.get("")
def index() -> str:
    """Show requests per day, and the uses and events that the filter selects."""
    scope, period = _read_scope(), request.args.get("period", "")
    key, where = _read_key(scope.subject), _read_filter(period)
    page = activity_of(
        scope.subject,
        limit=DEFAULT_LIMIT,
        cursor=request.args.get("cursor"),
        where=where,
        key=key,
        team_ids=scope.team_ids,
        uses_only=scope.uses_only,
    )
    return render_template(
        "activity/index.html",
        page=page,
        keys=keys_of(scope.subject, state=KeyState.ALL),
        key=key,
        period=period,
        where=where,
        scope=scope,
        chart=_chart(scope, key, period, where.outcome) if where.includes_uses and period != "24h" else None,
        named=request.args.get("team") or None,
    )


@pages.get("/export")
def export() -> Response:
    """Download uses and events, with the filters of the page, as CSV or as JSON Lines."""
    scope = _read_scope()
    form = _parse_choice(ExportFormat, request.args.get("format", "")) or ExportFormat.CSV
    file = file_of(
        scope.subject,
        reader=current_user(),
        key=_read_key(scope.subject),
        where=_read_filter(request.args.get("period", "")),
        team_ids=scope.team_ids,
        uses_only=scope.uses_only,
        form=form,
    )
    response = Response(file, mimetype=MEDIA_TYPES[form])
    response.headers["Content-Disposition"] = f'attachment; filename="reflow-activity.{form}"'
    return response


def _read_scope() -> ActivityScope:
    """Return the subject from the query. Raises NotFound for teams and service accounts of others."""
    account_id, team_id = request.args.get("account", ""), request.args.get("team", "")
    if account_id:
        return ActivityScope(*account_visible_to(current_user(), account_id))
    return ActivityScope(
        current_user(), membership_of(current_user(), team_id) if team_id else current_of(current_user())
    )


def _read_key(subject: User) -> ApiKey | None:
    key_id = request.args.get("key", "")
    return key_of(subject, key_id) if key_id else None


def _read_filter(period: str) -> Filter:
    """Return the filter from the query; unknown values select everything."""
    since = None
    if period == "24h":
        since = now() - timedelta(hours=24)
    elif period in DAYS:
        # Local days, as in the chart: 7 days are today and the six before.
        zone = zone_of(current_user().time_zone)
        first = now().astimezone(zone).date() - timedelta(days=DAYS[period] - 1)
        since = datetime.combine(first, time(), zone)
    return Filter(
        since=since,
        outcome=_parse_choice(Outcome, request.args.get("outcome", "")),
        group=_parse_choice(EventGroup, request.args.get("event", "")),
    )


def _parse_choice(kind: type[Choice], value: str) -> Choice | None:
    return kind(value) if value in list(kind) else None


def _chart(scope: ActivityScope, key: ApiKey | None, period: str, outcome: Outcome | None) -> Chart:
    days = daily_uses(
        scope.subject,
        zone_of(current_user().time_zone),
        DAYS.get(period, LONGEST_DAYS),
        key=key,
        team_ids=scope.team_ids,
    )
    if outcome == Outcome.ACCEPTED:
        days = [day._replace(refused=0) for day in days]
    elif outcome == Outcome.REFUSED:
        days = [day._replace(accepted=0) for day in days]
    return Chart(days)
