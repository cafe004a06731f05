"""The form that changes a subscription."""

from wtforms import HiddenField, StringField

from reflow_accounts.web.forms import Form


class SubscriptionForm(Form):
    """`active` is the wanted end, `seen` the version that was on the screen, `q` the search to go back to."""

    reason = StringField("Reason")
    active = HiddenField()
    seen = HiddenField()
    q = HiddenField()
