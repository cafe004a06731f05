"""JSON schemas of keys and uses."""

import marshmallow as ma

from reflow_accounts.api_keys.lifecycle import DEFAULT_OVERLAP, LONGEST_OVERLAP
from reflow_accounts.api_keys.models import LONGEST_NAME
from reflow_accounts.api_keys.service import LONGEST_NONCE, KeyState
from reflow_accounts.web.openapi import (
    Flag,
    Moment,
    PageQuery,
    PeriodQuery,
    Schema,
    Text,
    WholeNumber,
    cursor_field,
)

# The rules of the service for names, except that they are unique, which a schema cannot express.
_NAME = {
    "description": "One line of 1 to 64 characters, not all invisible, different from the names of your other keys",
    "minLength": 1,
    "maxLength": LONGEST_NAME,
    "pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$",
}


class Creator(Schema):
    """The creator of a key: a session, or another API key with this id and name."""

    type = ma.fields.String(required=True, metadata={"enum": ["session", "key"]})
    id = ma.fields.String(required=True, allow_none=True)
    name = ma.fields.String(required=True, allow_none=True)


class KeyOut(Schema):
    """An API key, without its secret. `hint` is the secret's last four characters."""

    id = ma.fields.String(required=True, attribute="key.public_id")
    name = ma.fields.String(required=True, attribute="key.name")
    hint = ma.fields.String(required=True, attribute="key.hint")
    created_at = Moment(required=True, attribute="key.created_at")
    expires_at = Moment(required=True, allow_none=True, attribute="key.expires_at")
    revoked_at = Moment(required=True, allow_none=True, attribute="key.revoked_at")
    restorable_until = Moment(
        required=True,
        allow_none=True,
        attribute="key.restorable_until",
        metadata={"description": "`DELETE /keys/<id>/revocation` restores this revoked key until this time"},
    )
    replaced_by = ma.fields.String(
        required=True,
        allow_none=True,
        attribute="key.replaced_by.public_id",
        dump_default=None,
        metadata={"description": "The id of the key that replaced this one in a rotation"},
    )
    canary = ma.fields.Boolean(
        required=True,
        attribute="key.is_canary",
        metadata={
            "description": "Whether the key is a trap: it is always refused, and its first use is mailed to its owner"
        },
    )
    created_by = ma.fields.Nested(Creator, required=True, attribute="key.creator")
    last_used_at = Moment(required=True, allow_none=True, attribute="usage.last_used_at")
    use_count = ma.fields.Integer(required=True, attribute="usage.count")


class NewKeyOut(KeyOut):
    """A new key. Only this response contains its `secret`."""

    secret = ma.fields.String(required=True)


class NewKey(Schema):
    """Name and expiry of a new key."""

    name = Text(required=True, metadata=_NAME)
    expires_at = Moment(allow_none=True, load_default=None)
    canary = Flag(
        load_default=False, metadata={"description": "Whether the key is a trap, which is always refused"}
    )


class KeyChange(Schema):
    """Changes to a key. Omitted fields stay unchanged."""

    name = Text(metadata=_NAME)
    expires_at = Moment(metadata={"description": "A time in the future, not after the current expiry"})


class KeyRotation(Schema):
    """How long the old key still works, and a nonce that makes the request idempotent."""

    overlap = WholeNumber(
        load_default=DEFAULT_OVERLAP,
        validate=ma.validate.Range(0, LONGEST_OVERLAP),
        metadata={"description": "Seconds until the old key expires, unless it expires earlier anyway"},
    )
    nonce = Text(
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(1, LONGEST_NONCE),
        metadata={"description": "A repeated request with the same nonce is refused with 409"},
    )


class KeysQuery(PageQuery):
    """Filter and page of a list of keys."""

    cursor = cursor_field(2)
    state = ma.fields.Enum(KeyState, by_value=True, load_default=KeyState.LIVE)


class RevocationQuery(Schema):
    """Options of a revocation."""

    descendants = ma.fields.Boolean(
        load_default=False,
        metadata={
            "description": "Also revoke the keys that this key created, and the keys that those created"
        },
    )


class UsesQuery(PeriodQuery):
    """Filter and page of a list of uses."""

    cursor = cursor_field(1)
    after = Text(metadata={"description": "The id of a use of this key: list only later uses"})


class ProgramUseOut(Schema):
    """A program that used a key: the first product in its user agent, or a CI system with its repository."""

    name = ma.fields.String(required=True, attribute="label")
    ci = ma.fields.Boolean(required=True, attribute="is_ci")
    last_used_at = Moment(required=True)
    use_count = ma.fields.Integer(
        required=True,
        metadata={
            "description": "Approximate number of uses; a program without uses for 90 days is forgotten"
        },
    )
    addresses = ma.fields.List(
        ma.fields.String(),
        required=True,
        attribute="latest_addresses",
        metadata={"description": "The latest addresses, at most 20"},
    )
    address_count = ma.fields.Integer(required=True)


class UsageOut(Schema):
    """The number of uses of a key, and up to 20 programs that used it in the last 30 days, the latest first."""

    last_used_at = Moment(required=True, allow_none=True, attribute="usage.last_used_at")
    use_count = ma.fields.Integer(required=True, attribute="usage.count")
    last_24_hours = ma.fields.Integer(required=True)
    last_7_days = ma.fields.Integer(required=True)
    last_30_days = ma.fields.Integer(required=True)
    programs = ma.fields.List(ma.fields.Nested(ProgramUseOut), required=True, attribute="latest_programs")
    program_count = ma.fields.Integer(required=True)


class KeyReference(Schema):
    id = ma.fields.String(required=True, attribute="public_id")
    name = ma.fields.String(required=True)


class UseFacts(Schema):
    """One request made with a key. `outcome` is "accepted" or the error code of the response."""

    method = ma.fields.String(required=True)
    path = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    outcome = ma.fields.String(required=True)
    address = ma.fields.String(required=True)
    user_agent = ma.fields.String(required=True)
    program = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The program named by the user agent of the reflow command, such as "
            '"GitHub Actions, acme/web, run 812"; null for other programs. Not verified.'
        },
    )


class UseOut(UseFacts):
    """A use of a key."""

    id = ma.fields.String(required=True, attribute="public_id")
    at = Moment(required=True)
    key = ma.fields.Nested(KeyReference, required=True)
