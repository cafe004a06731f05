"""The forms of the beginning and the end of an account."""

from wtforms import PasswordField, StringField

from reflow_accounts.web.forms import Form


class SignUpForm(Form):
    full_name = StringField("Full name")
    email = StringField("Work email")
    team_name = StringField("Team name")
    password = PasswordField("Password")


class PasswordForm(Form):
    """Asks for the password alone."""

    password = PasswordField("Password")
