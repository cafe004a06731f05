"""API schemas of teams, members, invitations and service accounts."""

import marshmallow as ma

from reflow_accounts.subscriptions.models import State
from reflow_accounts.teams.invitations import MOST_AT_ONCE
from reflow_accounts.teams.models import LONGEST_NAME, InvitationState, Rights
from reflow_accounts.users.models import LONGEST_EMAIL
from reflow_accounts.users.models import LONGEST_NAME as LONGEST_USER_NAME
from reflow_accounts.web.openapi import Flag, Moment, PageQuery, Schema, Text, cursor_field


def _rights() -> ma.fields.String:
    return ma.fields.String(required=True, validate=ma.validate.OneOf(list(Rights)))


class ListQuery(PageQuery):
    """Query of a list: page size and cursor."""

    cursor = cursor_field(2)


class TeamOut(Schema):
    """A team of the caller, with the caller's rights."""

    id = ma.fields.String(required=True, attribute="team.public_id")
    name = ma.fields.String(required=True, attribute="team.name")
    created_at = Moment(required=True, attribute="team.created_at")
    rights = _rights()
    subscription = ma.fields.String(required=True, validate=ma.validate.OneOf(list(State)))


class TeamName(Schema):
    """The name of a team."""

    name = Text(
        required=True,
        metadata={
            "description": "One line of 1 to 120 characters, some visible",
            "minLength": 1,
            "maxLength": LONGEST_NAME,
            "pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$",
        },
    )


class MemberOut(Schema):
    """A person in a team. `last_active_at` is the last use of a session or an API key."""

    id = ma.fields.String(required=True, attribute="user.public_id")
    name = ma.fields.String(required=True, attribute="user.full_name")
    email = ma.fields.String(
        required=True, allow_none=True, attribute="user.email", metadata={"format": "email"}
    )
    rights = _rights()
    joined_at = Moment(required=True)
    last_active_at = Moment(required=True, allow_none=True)


class MemberRights(Schema):
    """The rights of a member."""

    rights = _rights()


class InvitationOut(Schema):
    """An invitation. Only the mail contains its link."""

    id = ma.fields.String(required=True, attribute="public_id")
    email = ma.fields.String(required=True, metadata={"format": "email"})
    rights = _rights()
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(list(InvitationState)))
    created_at = Moment(required=True)
    sent_at = Moment(required=True)
    expires_at = Moment(required=True)


class NewInvitations(Schema):
    """Addresses to invite, all or none, and their rights."""

    emails = ma.fields.List(
        Text(validate=ma.validate.Length(1, LONGEST_EMAIL), metadata={"format": "email"}),
        required=True,
        validate=ma.validate.Length(1, MOST_AT_ONCE),
    )
    rights = _rights()


class InvitationsOut(Schema):
    """The invitations that were sent."""

    items = ma.fields.List(ma.fields.Nested(InvitationOut), required=True)


# Rules of names for the API document. The service also compares with other names.
_NAME = {
    "description": "One line of 1 to 120 characters, some visible, unique among the team's service accounts",
    "minLength": 1,
    "maxLength": LONGEST_USER_NAME,
    "pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$",
}
_RIGHTS = {"description": "view or edit; a service account is never Admin"}
_ACCOUNT_RIGHTS = [Rights.VIEW.value, Rights.EDIT.value]


class AccountOut(Schema):
    """A service account. While it is disabled its keys are refused."""

    id = ma.fields.String(required=True, attribute="user.public_id")
    name = ma.fields.String(required=True, attribute="user.full_name")
    rights = ma.fields.String(required=True, validate=ma.validate.OneOf(_ACCOUNT_RIGHTS))
    disabled = ma.fields.Boolean(required=True, attribute="is_disabled")
    created_at = Moment(required=True, attribute="user.created_at")
    last_used_at = Moment(required=True, allow_none=True)
    key_count = ma.fields.Integer(required=True)


class NewAccount(Schema):
    """Name and rights of a new service account."""

    name = Text(required=True, metadata=_NAME)
    rights = ma.fields.String(
        load_default=Rights.EDIT.value, validate=ma.validate.OneOf(_ACCOUNT_RIGHTS), metadata=_RIGHTS
    )


class AccountChange(Schema):
    """Changes to a service account; omitted fields stay unchanged."""

    name = Text(metadata=_NAME)
    rights = ma.fields.String(validate=ma.validate.OneOf(_ACCOUNT_RIGHTS), metadata=_RIGHTS)
    disabled = Flag()
