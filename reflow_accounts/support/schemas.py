"""JSON schemas of the support API."""

import marshmallow as ma

from reflow_accounts.subscriptions.models import LONGEST_TICKET, LicenceState, State
from reflow_accounts.web.openapi import Flag, Moment, PageQuery, Schema, Text, WholeNumber, cursor_field
from reflow_accounts.web.text import LONGEST_REASON, holds_secret


def refuse_secret(value: str) -> None:
    """Raise marshmallow.ValidationError for a secret, because proxies and servers log URLs."""
    if holds_secret(value):
        raise ma.ValidationError(
            "Search for names, ids or addresses, not for a secret. URLs are logged, so ask the owner of the secret to "
            "revoke it."
        )


class SearchQuery(PageQuery):
    """Search term and page of a list of teams."""

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
        required=True, attribute="status.state", validate=ma.validate.OneOf(list(State))
    )
    aws_state = ma.fields.String(
        required=True,
        allow_none=True,
        attribute="status.licence_state",
        validate=ma.validate.OneOf(list(LicenceState)),
    )
    aws_account = ma.fields.String(required=True, allow_none=True)
    override = ma.fields.Nested(OverrideOut, required=True, allow_none=True, attribute="status.override")
    version = ma.fields.Integer(required=True, attribute="status.version")
    api_keys = ma.fields.Integer(required=True, attribute="key_count")
    last_request_at = Moment(required=True, allow_none=True)


class Decision(Schema):
    """An override and its reason. From `expires_at` on AWS decides again.

    Without `expires_at` an inactive override has no end, and an active one ends after 30 days; but if AWS reports an
    active licence without an end, `active` ends any override. An override with the same state stays unchanged, unless
    `expires_at` differs.
    With `version`, as in the list of teams, a change by another user since then is a conflict (409).
    """

    active = Flag(required=True)
    reason = Text(required=True, validate=ma.validate.Length(1, LONGEST_REASON))
    expires_at = Moment(allow_none=True, load_default=None)
    ticket = Text(load_default="", validate=ma.validate.Length(max=LONGEST_TICKET))
    version = WholeNumber(allow_none=True, load_default=None, validate=ma.validate.Range(0, 2**31 - 1))
