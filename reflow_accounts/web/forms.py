"""What every form shares: values are taken as typed, and a service's sentences land on their fields."""

from flask_wtf import FlaskForm

from reflow_accounts.errors import ValidationFailed


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF is untyped
    """A form whose rules live in the service that it calls."""

    def show(self, failed: ValidationFailed) -> None:
        """Put each sentence of a refusal on the field that it names."""
        for field, sentence in failed.fields.items():
            self[field].errors = [sentence]
