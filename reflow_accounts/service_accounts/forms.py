"""The forms of service accounts and of a key for CI."""

import secrets

from wtforms import HiddenField, RadioField, StringField
from wtforms.fields.choices import SelectChoice

from reflow_accounts.teams.models import Rights
from reflow_accounts.web.forms import Form


class AccountForm(Form):
    """What a service account is called and what it may do; never Admin."""

    name = StringField("Name")
    rights = RadioField(
        "Rights",
        choices=[
            SelectChoice(Rights.EDIT, "Edit: change what the team has"),
            SelectChoice(Rights.VIEW, "View: see what the team has"),
        ],
        default=Rights.EDIT,
        validate_choice=False,
    )


class CiKeyForm(AccountForm):
    """A service account and its key. `nonce` is new in every form, so that one form makes them once."""

    name = StringField("Name of the service account")
    key_name = StringField("Name of the key")
    nonce = HiddenField(default=lambda: secrets.token_urlsafe(16))
