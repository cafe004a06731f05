"""The form that changes a subscription."""

from wtforms import HiddenField, StringField

from reflow_accounts.web.forms import Form


class SubscriptionForm(Form):
    """`active` is the wanted end, `seen` the version on which that was decided.

    `origin` and `q` say where to go back to: "team" is the team's page, else the search for `q`.
    """

    reason = StringField("Reason")
    active = HiddenField()
    seen = HiddenField()
    q = HiddenField()
    origin = HiddenField()
