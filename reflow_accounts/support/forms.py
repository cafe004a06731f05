"""The forms of the console: a decision with its reason, and a key that somebody handed over."""

from wtforms import DateField, HiddenField, StringField

from reflow_accounts.web.input import Form
from reflow_accounts.web.redaction import holds_secret


def _without_secret(words: str | None) -> str:
    return "" if not words or holds_secret(words) else words


class SubscriptionForm(Form):
    """`active` is the wanted end (true, false, or aws for no override), `seen` the version it was decided on.

    `until` is the first day on which the decision does not hold any more (UTC).
    `origin` and `q` say where to go back to: "team" is the team's page, else the search for `q`.
    """

    reason = StringField("Reason")
    until = DateField("Until")
    ticket = StringField("Ticket")
    active = HiddenField()
    seen = HiddenField()
    q = HiddenField(filters=[_without_secret])
    origin = HiddenField()


class ReasonForm(Form):
    """Why support does what it does to a user."""

    reason = StringField("Reason")


class KeyForm(Form):
    """A key of which nobody knows whose it is."""

    api_key = StringField("Find an API key")
