"""The Activity tab."""

from datetime import timedelta

from flask import Blueprint, render_template, request

from reflow_accounts.activity.service import activity_of
from reflow_accounts.api_keys.service import KeyState, key_of, keys_of
from reflow_accounts.extensions import now
from reflow_accounts.identity.caller import me
from reflow_accounts.web.paging import DEFAULT_LIMIT

PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}

pages = Blueprint("activity", __name__, url_prefix="/activity")


@pages.get("")
def index() -> str:
    """Show uses and acts, narrowed to one key or one period when asked."""
    key_id, period = request.args.get("key", ""), request.args.get("period", "")
    key = key_of(me(), key_id) if key_id else None
    page = activity_of(
        me(),
        limit=DEFAULT_LIMIT,
        cursor=request.args.get("cursor"),
        since=now() - PERIODS[period] if period in PERIODS else None,
        key=key,
    )
    keys = keys_of(me(), state=KeyState.ALL)
    return render_template("activity/index.html", page=page, keys=keys, key=key, period=period)
