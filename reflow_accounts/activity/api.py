"""`/activity`: what happened in the caller's account."""

from typing import Any

import marshmallow as ma

from reflow_accounts.activity.service import USE_ACTION, Entry, Filter, Outcome, activity_of
from reflow_accounts.api_keys.schemas import UseFacts
from reflow_accounts.api_keys.service import key_of
from reflow_accounts.audit.actions import EventGroup
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.web.openapi import ApiBlueprint, Moment, PeriodQuery, Schema, Text, cursor_field, page_of
from reflow_accounts.web.pagination import Page

blueprint = ApiBlueprint("activity", __name__, description="Uses of keys and acts of people")


class ActivityQuery(PeriodQuery):
    """Which part of the activity."""

    cursor = cursor_field(3)
    after = Text(metadata={"description": "The id of an entry: only what came later than that"})
    key = Text(metadata={"description": "The id of an API key: only its uses and what was done to it"})

    outcome = ma.fields.Enum(
        Outcome,
        by_value=True,
        metadata={"description": "Only requests that were answered without an error, or with one"},
    )
    event = ma.fields.Enum(EventGroup, by_value=True, metadata={"description": "Only events of this group"})


class EntryOut(Schema):
    """An act ("event"), or a use of a key."""

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
    """List what happened in your account, newest first."""
    key_id = query.get("key")
    return activity_of(
        current_user(),
        limit=query["limit"],
        cursor=query.get("cursor"),
        where=Filter(query.get("since"), query.get("until"), query.get("outcome"), query.get("event")),
        after=query.get("after"),
        key=key_of(current_user(), key_id) if key_id else None,
    )
