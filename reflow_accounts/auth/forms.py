"""Forms for login, passwords and step-up authentication."""

from wtforms import HiddenField, PasswordField, StringField

from reflow_accounts.web.request_input import Form


class LoginForm(Form):
    email = StringField("Email")
    password = PasswordField("Password")


class CodeForm(Form):
    code = StringField("Authentication code")

    def with_fault(self, sentence: str) -> "CodeForm":
        """Return the form with an error message at its code."""
        self.code.errors = [sentence]
        return self


class SetupForm(CodeForm):
    # The encrypted secret of the page.
    setup = HiddenField()


class RecoveryCodeForm(CodeForm):
    code = StringField("Recovery code")


class DeviceCodeForm(Form):
    code = StringField("Code")


class CredentialForm(Form):
    # The passkey credential from the browser, as JSON.
    credential = HiddenField()


class PasskeyNameForm(Form):
    name = StringField("Name")


class PasskeyForm(PasskeyNameForm, CredentialForm):
    pass


class ForgotForm(Form):
    email = StringField("Email")


class ResetForm(Form):
    new_password = PasswordField("New password")


class ChangePasswordForm(Form):
    current_password = PasswordField("Current password")
    new_password = PasswordField("New password")


class ProofForm(Form):
    """One field for each kind of proof. The prefix `proof_` keeps them out of the repeated request."""

    proof_password = PasswordField("Password")
    proof_code = StringField("Authentication code")
    proof_credential = HiddenField()
