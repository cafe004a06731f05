"""The JSON of keys and uses."""

import marshmallow as ma

from reflow_accounts.api_keys.changes import DEFAULT_OVERLAP, LONGEST_OVERLAP
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

# What the service will say of a name, as far as a document can. Names of other keys it cannot know.
_NAME = {
    "description": "One line of 1 to 64 characters that can be seen, unlike the names of your other keys",
    "minLength": 1,
    "maxLength": LONGEST_NAME,
    "pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$",
}


class Creator(Schema):
    """What created a key: a session, or another API key with this id and name."""

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
        metadata={"description": "Until when `DELETE /keys/<id>/revocation` restores this revoked key"},
    )
    replaced_by = ma.fields.String(
        required=True,
        allow_none=True,
        attribute="key.replaced_by.public_id",
        dump_default=None,
        metadata={"description": "The id of the key that a rotation put in the place of this one"},
    )
    canary = ma.fields.Boolean(
        required=True,
        attribute="key.is_canary",
        metadata={"description": "A trap: it authenticates nobody, and its first use is mailed to its owner"},
    )
    created_by = ma.fields.Nested(Creator, required=True, attribute="key.creator")
    last_used_at = Moment(required=True, allow_none=True, attribute="usage.last_used_at")
    use_count = ma.fields.Integer(required=True, attribute="usage.count")


class NewKeyOut(KeyOut):
    """A key just made. `secret` is shown in this answer alone."""

    secret = ma.fields.String(required=True)


class NewKey(Schema):
    """What to call a key, and when it ends by itself."""

    name = Text(required=True, metadata=_NAME)
    expires_at = Moment(allow_none=True, load_default=None)
    canary = Flag(
        load_default=False, metadata={"description": "Whether the key is a trap that opens nothing"}
    )


class KeyChange(Schema):
    """What is to be different; what is left out stays."""

    name = Text(metadata=_NAME)
    expires_at = Moment(metadata={"description": "In the future, and no later than the key would end anyway"})


class KeyRotation(Schema):
    """How long the old key works on, and a text that makes the request count once."""

    overlap = WholeNumber(
        load_default=DEFAULT_OVERLAP,
        validate=ma.validate.Range(0, LONGEST_OVERLAP),
        metadata={"description": "Seconds until the old key ends, unless it ends sooner anyway"},
    )
    nonce = Text(
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(1, LONGEST_NONCE),
        metadata={"description": "A repeated request with the same text is refused with 409"},
    )


class KeysQuery(PageQuery):
    """Which keys."""

    cursor = cursor_field(2)
    state = ma.fields.Enum(KeyState, by_value=True, load_default=KeyState.LIVE)


class RevocationQuery(Schema):
    """What to revoke besides."""

    descendants = ma.fields.Boolean(
        load_default=False, metadata={"description": "Also the keys that this key created, and theirs"}
    )


class UsesQuery(PeriodQuery):
    """Which uses."""

    cursor = cursor_field(1)
    after = Text(metadata={"description": "The id of a use of this key: only later uses"})


class ProgramUseOut(Schema):
    """A program that used a key, as its user agent calls itself, or a CI system with its repository."""

    name = ma.fields.String(required=True, attribute="label")
    ci = ma.fields.Boolean(required=True, attribute="is_ci")
    last_used_at = Moment(required=True)
    use_count = ma.fields.Integer(
        required=True, metadata={"description": "About as many as in the last 90 days"}
    )
    addresses = ma.fields.List(
        ma.fields.String(),
        required=True,
        attribute="listed",
        metadata={"description": "The latest, at most 20"},
    )
    address_count = ma.fields.Integer(required=True)


class UsageOut(Schema):
    """How much a key was used, and by which programs in the last 30 days, the latest first, at most 20."""

    last_used_at = Moment(required=True, allow_none=True, attribute="usage.last_used_at")
    use_count = ma.fields.Integer(required=True, attribute="usage.count")
    last_24_hours = ma.fields.Integer(required=True)
    last_7_days = ma.fields.Integer(required=True)
    last_30_days = ma.fields.Integer(required=True)
    programs = ma.fields.List(ma.fields.Nested(ProgramUseOut), required=True, attribute="listed")
    program_count = ma.fields.Integer(required=True)


class KeyReference(Schema):
    id = ma.fields.String(required=True, attribute="public_id")
    name = ma.fields.String(required=True)


class UseFacts(Schema):
    """One request that was made with a key. `outcome` is "accepted" or the code of the answer's problem."""

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
            "description": "What the user agent of the reflow command says, in words, such as "
            '"GitHub Actions, acme/web, run 812"; null for other programs. Nobody has proved it.'
        },
    )


class UseOut(UseFacts):
    """A use of a key."""

    id = ma.fields.String(required=True, attribute="public_id")
    at = Moment(required=True)
    key = ma.fields.Nested(KeyReference, required=True)
