"""The page of one key: facts, uses, refused attempts; and its restoration."""

from urllib.parse import urlencode

from flask import flash, redirect, render_template

from reflow_accounts.api_keys import service
from reflow_accounts.api_keys.lifecycle import restore
from reflow_accounts.api_keys.models import Revocation
from reflow_accounts.api_keys.pages.shared import Answer, Context, refusal_page
from reflow_accounts.api_keys.refused_requests import latest_attempts_with, refusals_of
from reflow_accounts.api_keys.table import previous_keys, sparklines_of
from reflow_accounts.api_keys.usage.clients import usage_summary_of
from reflow_accounts.api_keys.usage.queries import uses_of
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict
from reflow_accounts.subscriptions.service import has_active_subscription
from reflow_accounts.web.request_info import client
from reflow_accounts.web.text import zone_of

LATEST_USES = 10
# The reason, after the word "Revoked".
_REVOKED_BY = {
    Revocation.OWNER: "by its owner",
    Revocation.SUPPORT: "by support",
    Revocation.DELETION: "with its account",
}


def show_key(context: Context, key_id: str) -> Answer:
    """Show a key of the owner, live or not."""
    key = service.key_of(context["owner"], key_id)
    row = service.with_usage_counts([key])[0]
    separator = "&" if "?" in context["activity_url"] else "?"
    return render_template(
        "api_keys/key.html",
        **context,
        row=row,
        key=key,
        sparkline=sparklines_of([key.id], zone_of(current_user().time_zone))[key.id],
        summary=usage_summary_of(key),
        previous=previous_keys([key.id]),
        revoked_by=_REVOKED_BY.get(Revocation(key.revoked_for), "") if key.revoked_for else "",
        is_active=has_active_subscription(key.user),
        refusals=refusals_of(key),
        attempts=latest_attempts_with(key),
        uses=uses_of([key.id], limit=LATEST_USES),
        uses_url=f"{context['activity_url']}{separator}{urlencode({'key': key.public_id})}",
    )


def restore_key(context: Context, key_id: str) -> Answer:
    """Restore a key that its owner revoked in the last 24 hours, and show its page."""
    ensure_recent_proof()
    key = service.key_of(context["owner"], key_id)
    try:
        restore(key, by=current_user(), client=client())
    except Conflict as conflict:
        db.session.rollback()
        return refusal_page(context, "Restore key", conflict)
    db.session.commit()
    flash(key.name, "key-restored")
    return redirect(f"{context['keys_url']}/{key.public_id}", 303)
