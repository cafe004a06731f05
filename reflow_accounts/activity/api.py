"""`/activity`: uses and events of the caller's account."""

from typing import Any

import marshmallow as ma
from flask import Response

from reflow_accounts.activity.export import MEDIA_TYPES, ExportFormat, file_of
from reflow_accounts.activity.service import (
    EVERYTHING,
    USE_ACTION,
    Entry,
    Filter,
    Outcome,
    activity_of,
    count_uses,
)
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.schemas import UseFacts
from reflow_accounts.api_keys.service import key_of
from reflow_accounts.audit.actions import EventGroup
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.contract import EXPORT_SIZE_HEADER
from reflow_accounts.web.openapi import ApiBlueprint, Moment, PeriodQuery, Schema, Text, cursor_field, page_of
from reflow_accounts.web.pagination import Page

_SIZE = {"description": "Approximate number of entries in the file, if known", "schema": {"type": "integer"}}
_FILE = {
    "description": "The file",
    "headers": {EXPORT_SIZE_HEADER: _SIZE},
    "content": {kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()},
}

blueprint = ApiBlueprint("activity", __name__, description="Uses of keys and account events")


def outcome_field() -> Any:
    """Return the field of the filter by outcome."""
    text = "Only requests that succeeded, or that failed (status 400 and above)"
    return ma.fields.Enum(Outcome, by_value=True, metadata={"description": text})


def event_field() -> Any:
    """Return the field of the filter by event."""
    return ma.fields.Enum(EventGroup, by_value=True, metadata={"description": "Only events of this group"})


class ActivityQuery(PeriodQuery):
    """Filter and page of the activity."""

    cursor = cursor_field(3)
    after = Text(metadata={"description": "The id of an entry: list only later entries"})
    key = Text(metadata={"description": "The id of an API key: only its uses and events"})

    outcome = outcome_field()
    event = event_field()


class ExportQuery(Schema):
    """Filter and format of an export."""

    since = Moment(metadata={"description": "Not older than this"})
    until = Moment(metadata={"description": "Older than this"})
    key = Text(metadata={"description": "The id of an API key: only its uses and events"})
    outcome = outcome_field()
    event = event_field()
    format = ma.fields.Enum(
        ExportFormat,
        by_value=True,
        load_default=ExportFormat.JSON_LINES,
        metadata={"description": "JSON Lines include the hash chains, which `reflow activity verify` checks"},
    )


class EntryOut(Schema):
    """An entry of the activity: an event, or a use of a key."""

    id = ma.fields.String(required=True)
    type = ma.fields.Function(
        lambda entry: "use" if entry.action == USE_ACTION else "event",
        metadata={"type": "string", "enum": ["use", "event"]},
        required=True,
    )
    at = Moment(required=True)
    action = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    subject = ma.fields.String(required=True)
    by = ma.fields.String(required=True)
    use = ma.fields.Nested(UseFacts, required=True, allow_none=True)


@blueprint.route("/activity")
@blueprint.arguments(ActivityQuery, location="query")
@blueprint.response(200, page_of(EntryOut))
def list_activity(query: dict[str, Any]) -> Page[Entry]:
    """List the uses and events of your account, newest first."""
    return activity_of(
        current_user(),
        limit=query["limit"],
        cursor=query.get("cursor"),
        where=Filter(query.get("since"), query.get("until"), query.get("outcome"), query.get("event")),
        after=query.get("after"),
        key=_key_of(query),
    )


@blueprint.route("/activity/export")
@blueprint.arguments(ExportQuery, location="query")
@blueprint.doc(responses={200: _FILE})
def export_activity(query: dict[str, Any]) -> Response:
    """Download the uses and events of your account as a file, newest first.

    A file that ends early says so in its last line.
    """
    user, key, form = current_user(), _key_of(query), query["format"]
    where = Filter(query.get("since"), query.get("until"), query.get("outcome"), query.get("event"))
    file = file_of(user, reader=user, key=key, where=where, form=form)
    response = Response(file, mimetype=MEDIA_TYPES[form])
    response.headers["Content-Disposition"] = f'attachment; filename="reflow-activity.{form}"'
    if where == EVERYTHING:
        response.headers[EXPORT_SIZE_HEADER] = str(count_uses(user, key=key))
    return response


def _key_of(query: dict[str, Any]) -> ApiKey | None:
    """Return the key of the filter, None without one. Raises NotFound, also for an empty id."""
    return key_of(current_user(), query["key"]) if "key" in query else None
