"""How service accounts look to programs."""

import marshmallow as ma

from reflow_accounts.identity.models import LONGEST_NAME
from reflow_accounts.teams.models import Rights
from reflow_accounts.web.documents import Flag, Moment, PageQuery, Schema, Text, cursor_field

# What the service will say of a name, as far as a document can. Names of others it cannot know.
_NAME = {
    "description": "One line of 1 to 120 characters that can be seen, unlike the team's other service accounts",
    "minLength": 1,
    "maxLength": LONGEST_NAME,
    "pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$",
}
_RIGHTS = {"description": "view or edit; a service account is never Admin"}
_GIVEN = [Rights.VIEW.value, Rights.EDIT.value]


class AccountOut(Schema):
    """A service account. While it is disabled its keys are refused."""

    id = ma.fields.String(required=True, attribute="user.public_id")
    name = ma.fields.String(required=True, attribute="user.full_name")
    rights = ma.fields.String(required=True, validate=ma.validate.OneOf(_GIVEN))
    disabled = ma.fields.Boolean(required=True, attribute="is_disabled")
    created_at = Moment(required=True, attribute="user.created_at")
    last_used_at = Moment(required=True, allow_none=True)
    key_count = ma.fields.Integer(required=True)


class NewAccount(Schema):
    """What to call a service account, and what it may do."""

    name = Text(required=True, metadata=_NAME)
    rights = ma.fields.String(
        load_default=Rights.EDIT.value, validate=ma.validate.OneOf(_GIVEN), metadata=_RIGHTS
    )


class AccountChange(Schema):
    """What is to be different; what is left out stays."""

    name = Text(metadata=_NAME)
    rights = ma.fields.String(validate=ma.validate.OneOf(_GIVEN), metadata=_RIGHTS)
    disabled = Flag()


class AccountsQuery(PageQuery):
    """Which service accounts."""

    cursor = cursor_field(2)
