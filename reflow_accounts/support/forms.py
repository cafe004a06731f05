"""Forms of the console: subscription override, reason, key lookup."""

from wtforms import DateField, HiddenField, StringField

from reflow_accounts.web.request_input import Form
from reflow_accounts.web.text import holds_secret


class SubscriptionForm(Form):
    """`active` is true, false, or aws for no override; `seen` is the version that the user has seen.

    `until` is the first day after the override (UTC). `origin`, `q` and `state` are the page to return to: that of
    the team if `origin` is "team", else the search for `q` and `state`.
    """

    reason = StringField("Reason")
    until = DateField("Until")
    ticket = StringField("Ticket")
    active = HiddenField()
    seen = HiddenField()
    q = HiddenField(filters=[lambda value: "" if not value or holds_secret(value) else value])
    state = HiddenField()
    origin = HiddenField()


class ReasonForm(Form):
    """The reason for an action on a user or key."""

    reason = StringField("Reason")


class KeySearchForm(Form):
    """Looks up the owner of a pasted key."""

    api_key = StringField("Find an API key")
