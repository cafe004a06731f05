"""The Activity tab."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, Response, render_template, request

from reflow_accounts.activity.export import file_of
from reflow_accounts.activity.service import activity_of
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.service import KeyState, key_of, keys_of
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.database import now
from reflow_accounts.teams.models import Membership, Rights
from reflow_accounts.teams.service import current_of, membership_of
from reflow_accounts.teams.service_accounts import account_seen_by
from reflow_accounts.users.models import User
from reflow_accounts.web.pagination import DEFAULT_LIMIT

PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
FILE_NAME = "reflow-activity.csv"

pages = Blueprint("activity", __name__, url_prefix="/activity")


@dataclass(frozen=True)
class Shown:
    """The user whose activity is shown: oneself with one team, or a service account of one's team.

    `membership` is that of the team; None without a team, or with several teams and no choice.
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
        """Whether acts on the account are left out, because only Admins see them."""
        return self.account is not None and not self.is_admin


@pages.get("")
def index() -> str:
    """Show uses and acts, optionally of one key or one period."""
    shown, period = _shown(), request.args.get("period", "")
    key = _key(shown.subject)
    page = activity_of(
        shown.subject,
        limit=DEFAULT_LIMIT,
        cursor=request.args.get("cursor"),
        since=_since(period),
        key=key,
        team_ids=shown.team_ids,
        uses_only=shown.uses_only,
    )
    keys = keys_of(shown.subject, state=KeyState.ALL)
    named = request.args.get("team") or None
    return render_template(
        "activity/index.html", page=page, keys=keys, key=key, period=period, shown=shown, named=named
    )


@pages.get("/export")
def export() -> Response:
    """Download uses and acts as CSV, with the filters of the page."""
    shown = _shown()
    file = file_of(
        shown.subject,
        key=_key(shown.subject),
        since=_since(request.args.get("period", "")),
        team_ids=shown.team_ids,
        uses_only=shown.uses_only,
    )
    response = Response(file, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    return response


def _shown() -> Shown:
    """Return the subject from the query. Raises NotFound for teams and service accounts of others."""
    account_id, team_id = request.args.get("account", ""), request.args.get("team", "")
    if account_id:
        return Shown(*account_seen_by(current_user(), account_id))
    return Shown(
        current_user(), membership_of(current_user(), team_id) if team_id else current_of(current_user())
    )


def _key(subject: User) -> ApiKey | None:
    key_id = request.args.get("key", "")
    return key_of(subject, key_id) if key_id else None


def _since(period: str) -> datetime | None:
    return now() - PERIODS[period] if period in PERIODS else None
