"""The forms that make a key."""

import secrets

from wtforms import HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from reflow_accounts.teams.forms import AccountForm
from reflow_accounts.web.input import Form


class KeyForm(Form):
    """`nonce` is new in every form, so that one form makes one key however often it is sent."""

    name = StringField("Name")
    nonce = HiddenField(default=lambda: secrets.token_urlsafe(16))


class OwnKeyForm(KeyForm):
    """Makes a key of the person who asks, or of one of the service accounts that this person manages."""

    owner = SelectField("Owner", choices=[SelectChoice("", "You")], default="", validate_choice=False)


class CiKeyForm(AccountForm):
    """A service account and its key. `nonce` is new in every form, so that one form makes them once."""

    name = StringField("Name of the service account")
    key_name = StringField("Name of the key")
    nonce = HiddenField(default=lambda: secrets.token_urlsafe(16))
