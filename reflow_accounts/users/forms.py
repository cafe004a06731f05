"""Forms of the profile, sign-up and account deletion."""

from wtforms import BooleanField, PasswordField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from reflow_accounts.users.models import Appearance
from reflow_accounts.web.request_input import Form
from reflow_accounts.web.text import zone_names


class SignUpForm(Form):
    full_name = StringField("Full name")
    email = StringField("Work email")
    team_name = StringField("Team name")
    password = PasswordField("Password")


class PasswordForm(Form):
    """Asks only for the password."""

    password = PasswordField("Password")


class ProfileForm(Form):
    full_name = StringField("Full name")
    email = StringField("Email")
    appearance = RadioField(
        "Appearance",
        choices=[
            SelectChoice(Appearance.DEVICE, "Use device setting"),
            SelectChoice(Appearance.LIGHT, "Light"),
            SelectChoice(Appearance.DARK, "Dark"),
        ],
        validate_choice=False,
    )
    mails_new_clients = BooleanField(
        "A key is used from a new network or by a new CI system (at most one mail a day)"
    )
    mails_refusals = BooleanField("A key is refused repeatedly")
    mails_ends = BooleanField("A key ends soon (14 and 2 days before)")
    mails_unused = BooleanField("A key has not been used for 90 days")
    time_zone = SelectField(
        "Time zone",
        choices=lambda: [SelectChoice(name, name.replace("_", " ")) for name in zone_names()],
        validate_choice=False,
    )
