"""The forms of signing in and of the profile."""

from wtforms import PasswordField, RadioField, StringField
from wtforms.fields.choices import SelectChoice

from reflow_accounts.identity.models import Appearance
from reflow_accounts.web.forms import Form


class LoginForm(Form):
    email = StringField("Email")
    password = PasswordField("Password")


class ProofForm(Form):
    """One field for each kind of proof. Their names begin with `proof_`, so that none is carried along."""

    proof_password = PasswordField("Password")


class ProfileForm(Form):
    full_name = StringField("Full name")
    appearance = RadioField(
        "Appearance",
        choices=[
            SelectChoice(Appearance.DEVICE, "Use device setting"),
            SelectChoice(Appearance.LIGHT, "Light"),
            SelectChoice(Appearance.DARK, "Dark"),
        ],
        validate_choice=False,
    )
