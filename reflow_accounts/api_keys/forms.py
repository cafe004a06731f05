"""The forms that create or rotate a key."""

import secrets
from datetime import datetime, tzinfo

from wtforms import BooleanField, HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from reflow_accounts.api_keys.lifecycle import DEFAULT_OVERLAP
from reflow_accounts.api_keys.rules import CHOICES, NEVER, chosen_end
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.teams.forms import AccountForm
from reflow_accounts.web.request_input import Form


class ExpiryForm(Form):
    """The expiry of a new key."""

    expires = SelectField(
        "Expires",
        choices=[SelectChoice(value, label) for value, label in CHOICES.items()],
        default=NEVER,
        validate_choice=False,
    )
    expires_on = StringField("Last day")

    def expires_at(self, zone: tzinfo) -> datetime | None:
        """Return the chosen expiry, with days as in `zone`. Raises ValidationFailed."""
        return chosen_end(self.expires.data or "", self.expires_on.data or "", zone)


class NonceForm(Form):
    """Each form has a new `nonce`, so that submitting it twice creates or rotates one key."""

    nonce = HiddenField(default=lambda: secrets.token_urlsafe(16))


class KeyForm(NonceForm, ExpiryForm):
    """Creates a key."""

    name = StringField("Name")
    canary = BooleanField("Canary key")


class OwnKeyForm(KeyForm):
    """Creates a key of the current user, or of a service account that the user manages."""

    owner = SelectField("Owner", choices=[SelectChoice("", "You")], default="", validate_choice=False)


class RotationForm(NonceForm):
    """Rotates a key."""

    overlap = SelectField(
        "Previous key",
        choices=[
            SelectChoice("0", "ends now"),
            SelectChoice("3600", "works for 1 hour"),
            SelectChoice("86400", "works for 1 day"),
            SelectChoice("604800", "works for 7 days"),
        ],
        default=str(DEFAULT_OVERLAP),
        validate_choice=False,
    )

    @property
    def seconds(self) -> int:
        """The chosen overlap. Raises ValidationFailed for other values."""
        if self.overlap.data not in {choice.value for choice in self.overlap.choices}:
            raise ValidationFailed(overlap="Choose how long the previous key works")
        return int(self.overlap.data)


class CiKeyForm(NonceForm, ExpiryForm, AccountForm):
    """Creates a service account and its key."""

    name = StringField("Name of the service account")
    key_name = StringField("Name of the key")
