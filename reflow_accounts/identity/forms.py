"""The forms of signing in, of passwords and of the profile."""

from wtforms import PasswordField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from reflow_accounts.identity.models import Appearance
from reflow_accounts.web.forms import Form
from reflow_accounts.web.zones import zone_names


class LoginForm(Form):
    email = StringField("Email")
    password = PasswordField("Password")


class ForgotForm(Form):
    email = StringField("Email")


class ResetForm(Form):
    new_password = PasswordField("New password")


class ChangePasswordForm(Form):
    current_password = PasswordField("Current password")
    new_password = PasswordField("New password")


class ProofForm(Form):
    """One field for each kind of proof. Their names begin with `proof_`, so that none is carried along."""

    proof_password = PasswordField("Password")


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
    time_zone = SelectField(
        "Time zone",
        choices=lambda: [SelectChoice(name, name.replace("_", " ")) for name in zone_names()],
        validate_choice=False,
    )
