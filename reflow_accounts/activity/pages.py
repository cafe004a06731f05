"""The Activity tab."""

from datetime import datetime, timedelta

from flask import Blueprint, Response, render_template, request

from reflow_accounts.activity.export import file_of
from reflow_accounts.activity.service import activity_of
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.service import KeyState, key_of, keys_of
from reflow_accounts.extensions import now
from reflow_accounts.identity.caller import me
from reflow_accounts.identity.models import User
from reflow_accounts.teams.service_accounts import account_seen_by
from reflow_accounts.web.paging import DEFAULT_LIMIT

PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
FILE_NAME = "reflow-activity.csv"

pages = Blueprint("activity", __name__, url_prefix="/activity")


@pages.get("")
def index() -> str:
    """Show uses and acts, narrowed to one key or one period when asked; one's own or a service account's."""
    subject, period = _subject(), _period()
    key = _key(subject)
    page = activity_of(
        subject,
        limit=DEFAULT_LIMIT,
        cursor=request.args.get("cursor"),
        since=_since(period),
        key=key,
    )
    keys = keys_of(subject, state=KeyState.ALL)
    account = None if subject.is_person else subject
    return render_template(
        "activity/index.html", page=page, keys=keys, key=key, period=period, account=account
    )


@pages.get("/export")
def export() -> Response:
    """Download uses and acts, narrowed like the page, as a file."""
    subject = _subject()
    file = file_of(subject, key=_key(subject), since=_since(_period()))
    response = Response(file, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    return response


def _subject() -> User:
    """Return whose activity is asked for: a service account of one's team, or oneself."""
    account_id = request.args.get("account", "")
    return account_seen_by(me(), account_id) if account_id else me()


def _key(subject: User) -> ApiKey | None:
    key_id = request.args.get("key", "")
    return key_of(subject, key_id) if key_id else None


def _period() -> str:
    return request.args.get("period", "")


def _since(period: str) -> datetime | None:
    return now() - PERIODS[period] if period in PERIODS else None
