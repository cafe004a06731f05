"""The form that makes a key."""

import secrets

from wtforms import HiddenField, StringField

from reflow_accounts.web.forms import Form


class KeyForm(Form):
    """`nonce` is new in every form, so that one form makes one key however often it is sent."""

    name = StringField("Name")
    nonce = HiddenField(default=lambda: secrets.token_urlsafe(16))
