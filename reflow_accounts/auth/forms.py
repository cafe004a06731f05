"""The forms of signing in, of passwords and of proofs."""

from wtforms import HiddenField, PasswordField, StringField

from reflow_accounts.web.input import Form


class LoginForm(Form):
    email = StringField("Email")
    password = PasswordField("Password")


class CodeForm(Form):
    code = StringField("Authentication code")

    def with_fault(self, sentence: str) -> "CodeForm":
        """Return the form with what is wrong with its code."""
        self.code.errors = [sentence]
        return self


class SetupForm(CodeForm):
    # The sealed secret of the page.
    setup = HiddenField()


class RecoveryCodeForm(CodeForm):
    code = StringField("Recovery code")


class DeviceCodeForm(Form):
    code = StringField("Code")


class CredentialForm(Form):
    # What the browser gave for a passkey, as JSON.
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
    """One field for each kind of proof. Their names begin with `proof_`, so that none is carried along."""

    proof_password = PasswordField("Password")
    proof_code = StringField("Authentication code")
    proof_credential = HiddenField()
