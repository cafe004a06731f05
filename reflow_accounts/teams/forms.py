"""Forms for teams, members, invitations and service accounts."""

from wtforms import PasswordField, RadioField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from reflow_accounts.errors import ValidationFailed
from reflow_accounts.teams.models import Rights
from reflow_accounts.web.request_input import Form


class TeamForm(Form):
    name = StringField("Team name")


class InviteForm(Form):
    """Several addresses, one on each line."""

    emails = TextAreaField("Email addresses")
    rights = RadioField(
        "Rights",
        choices=[
            SelectChoice(Rights.VIEW, "View: see what the team has"),
            SelectChoice(Rights.EDIT, "Edit: change what the team has"),
            SelectChoice(Rights.ADMIN, "Admin: also manage members, service accounts and the subscription"),
        ],
        default=Rights.VIEW,
        validate_choice=False,
    )

    @property
    def lines(self) -> list[str]:
        """The lines of the field."""
        return (self.emails.data or "").splitlines()

    def show(self, failed: ValidationFailed) -> None:
        """Show errors with the number and content of each bad line."""
        sentences = []
        for field, sentence in failed.fields.items():
            name, _, place = field.partition(".")
            if name != "emails":
                self[name].errors = [sentence]
            elif place:
                line = self.lines[int(place)].strip()
                quoted = line if len(line) <= 60 else f"{line[:60]}…"
                # Some messages start with the address.
                where = "" if sentence.startswith(f"{line} ") else f", “{quoted}”"
                sentences.append(f"Line {int(place) + 1}{where}: {sentence}")
            else:
                sentences.append(sentence)
        if sentences:
            self.emails.errors = sentences


class NewMemberForm(Form):
    """Creates an account with an invitation."""

    full_name = StringField("Full name")
    password = PasswordField("Password")


class AccountForm(Form):
    """Name and rights of a service account; never Admin."""

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

    @property
    def chosen_rights(self) -> Rights:
        """The chosen rights. Raises ValidationFailed for an unknown value."""
        if self.rights.data not in list(Rights):
            raise ValidationFailed(rights="Choose View or Edit")
        return Rights(self.rights.data)
