"""API schemas of users, sessions and device logins."""

import marshmallow as ma

from reflow_accounts.auth.passwords import LONGEST_PASSWORD
from reflow_accounts.contract import DEVICE_GRANT
from reflow_accounts.users.models import LONGEST_EMAIL, UserKind
from reflow_accounts.web.openapi import Moment, Schema, Text

# A recovery code with spaces.
LONGEST_OTP = 100
LONGEST_CLIENT_ID = 100
LONGEST_HOST_NAME = 255


class UserOut(Schema):
    """A user."""

    id = ma.fields.String(required=True, attribute="public_id")
    name = ma.fields.String(required=True, attribute="full_name")
    email = ma.fields.String(required=True, allow_none=True, metadata={"format": "email"})
    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(list(UserKind)))
    is_staff = ma.fields.Boolean(required=True)


class SignIn(Schema):
    """An e-mail address and a password, as on the log-in page."""

    email = Text(required=True, validate=ma.validate.Length(1, LONGEST_EMAIL), metadata={"format": "email"})
    password = Text(required=True, validate=ma.validate.Length(1, LONGEST_PASSWORD))
    otp = Text(
        validate=ma.validate.Length(1, LONGEST_OTP),
        metadata={"description": "With two-factor authentication: its code, or a recovery code"},
    )


class SessionFacts(Schema):
    """A session of the command."""

    id = ma.fields.String(required=True, attribute="public_id")
    created_at = Moment(required=True)
    expires_at = Moment(required=True)
    user = ma.fields.Nested(UserOut, required=True)


class SessionOut(SessionFacts):
    """A session of the command. Only this response contains `secret`."""

    secret = ma.fields.String(required=True)


class OAuth(Schema):
    """Ignores unknown parameters (RFC 6749, 3.2)."""

    class Meta:
        unknown = ma.EXCLUDE


class DeviceAsk(OAuth):
    """A device authorization request (RFC 8628, 3.1)."""

    client_id = Text(validate=ma.validate.Length(max=LONGEST_CLIENT_ID))
    scope = Text(
        validate=ma.validate.Length(max=LONGEST_CLIENT_ID), metadata={"description": "Accepted and ignored"}
    )
    host = Text(
        load_default="",
        validate=ma.validate.Length(max=LONGEST_HOST_NAME),
        metadata={"description": "Host name of the terminal, shown on the approval page"},
    )


class DeviceCodes(Schema):
    """RFC 8628, 3.2. The user types `user_code` at `verification_uri`; the terminal polls with `device_code`."""

    device_code = ma.fields.String(required=True)
    user_code = ma.fields.String(required=True)
    verification_uri = ma.fields.Url(required=True)
    expires_in = ma.fields.Integer(required=True, metadata={"description": "Seconds"})
    interval = ma.fields.Integer(required=True, metadata={"description": "Seconds between two polls"})


class DevicePoll(OAuth):
    """A device access token request (RFC 8628, 3.4)."""

    grant_type = Text(validate=ma.validate.Length(max=LONGEST_CLIENT_ID), metadata={"enum": [DEVICE_GRANT]})
    device_code = Text()
    client_id = Text(validate=ma.validate.Length(max=LONGEST_CLIENT_ID))


class DeviceToken(Schema):
    """RFC 6749, 5.1: a new session and its secret, which only this response contains."""

    access_token = ma.fields.String(required=True)
    token_type = ma.fields.String(required=True, validate=ma.validate.OneOf(["Bearer"]))
    expires_in = ma.fields.Integer(required=True, metadata={"description": "Seconds"})
    session = ma.fields.Nested(SessionFacts, required=True)
