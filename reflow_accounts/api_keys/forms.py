"""The form that makes a key."""

import secrets

from wtforms import HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from reflow_accounts.web.forms import Form


class KeyForm(Form):
    """`nonce` is new in every form, so that one form makes one key however often it is sent."""

    name = StringField("Name")
    nonce = HiddenField(default=lambda: secrets.token_urlsafe(16))


class OwnKeyForm(KeyForm):
    """Makes a key of the person who asks, or of one of the service accounts that this person manages."""

    owner = SelectField("Owner", choices=[SelectChoice("", "You")], default="", validate_choice=False)
