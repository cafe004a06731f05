"""How people and sessions look to programs."""

import marshmallow as ma

from reflow_accounts.identity.models import LONGEST_EMAIL, UserKind
from reflow_accounts.identity.passwords import LONGEST_PASSWORD
from reflow_accounts.web.documents import Moment, Schema, Text

# A recovery code, with room for spaces.
LONGEST_OTP = 100


class UserOut(Schema):
    """A user."""

    id = ma.fields.String(required=True, attribute="public_id")
    name = ma.fields.String(required=True, attribute="full_name")
    email = ma.fields.String(required=True, allow_none=True)
    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(list(UserKind)))
    is_staff = ma.fields.Boolean(required=True)


class SignIn(Schema):
    """An e-mail address and a password, as on the log-in page."""

    email = Text(required=True, validate=ma.validate.Length(1, LONGEST_EMAIL))
    password = Text(required=True, validate=ma.validate.Length(1, LONGEST_PASSWORD))
    otp = Text(
        validate=ma.validate.Length(1, LONGEST_OTP),
        metadata={"description": "Where two-factor authentication is on: its code, or a recovery code"},
    )


class SessionOut(Schema):
    """A session of the command. `secret` is shown in this answer alone."""

    id = ma.fields.String(required=True, attribute="public_id")
    secret = ma.fields.String(required=True)
    created_at = Moment(required=True)
    expires_at = Moment(required=True)
    user = ma.fields.Nested(UserOut, required=True)
