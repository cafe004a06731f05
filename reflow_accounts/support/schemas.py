"""JSON schemas of the support API."""

import marshmallow as ma

from reflow_accounts.subscriptions.models import LONGEST_REASON, LONGEST_TICKET, LicenceState, State
from reflow_accounts.web.openapi import Flag, Moment, PageQuery, Schema, Text, WholeNumber, cursor_field
from reflow_accounts.web.text import holds_secret


def refuse_secret(value: str) -> None:
    """Raise marshmallow.ValidationError for a secret: URLs are logged on the way."""
    if holds_secret(value):
        raise ma.ValidationError(
            "Look for names, ids and addresses: a secret is not searched for. Addresses are kept on the way, so have "
            "its owner revoke it."
        )


class SearchQuery(PageQuery):
    """Search term and page."""

    q = Text(load_default="", validate=[ma.validate.Length(max=254), refuse_secret])
    cursor = cursor_field(2)


class OverrideOut(Schema):
    """An override of the subscription by support."""

    active = ma.fields.Boolean(required=True, attribute="is_active")
    expires_at = Moment(required=True, allow_none=True)
    by = ma.fields.String(required=True, attribute="by_name")
    at = Moment(required=True)
    reason = ma.fields.String(required=True)
    ticket = ma.fields.String(required=True)


class SupportTeamOut(Schema):
    """A team as support sees it. `version` counts the changes of its subscription."""

    id = ma.fields.String(required=True, attribute="team.public_id")
    name = ma.fields.String(required=True, attribute="team.name")
    created_at = Moment(required=True, attribute="team.created_at")
    subscription = ma.fields.String(
        required=True, attribute="standing.state", validate=ma.validate.OneOf(list(State))
    )
    aws_state = ma.fields.String(
        required=True,
        allow_none=True,
        attribute="standing.licence_state",
        validate=ma.validate.OneOf(list(LicenceState)),
    )
    aws_account = ma.fields.String(required=True, allow_none=True)
    override = ma.fields.Nested(OverrideOut, required=True, allow_none=True, attribute="standing.override")
    version = ma.fields.Integer(required=True, attribute="standing.version")
    api_keys = ma.fields.Integer(required=True, attribute="key_count")
    last_request_at = Moment(required=True, allow_none=True)


class Decision(Schema):
    """The wanted end, and why. `expires_at` is when AWS decides again.

    Without it an inactive one stays until somebody ends it, and an active one for 30 days; but where AWS says active
    for good, active without it ends any override. An override that says the same already stays as it is, unless
    another end is asked for.
    With `version`, as a list shows it, a change that somebody else made meanwhile is a conflict (409).
    """

    active = Flag(required=True)
    reason = Text(required=True, validate=ma.validate.Length(1, LONGEST_REASON))
    expires_at = Moment(allow_none=True, load_default=None)
    ticket = Text(load_default="", validate=ma.validate.Length(max=LONGEST_TICKET))
    version = WholeNumber(allow_none=True, load_default=None, validate=ma.validate.Range(0, 2**31 - 1))
