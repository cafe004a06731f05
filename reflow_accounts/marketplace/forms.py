"""The form that connects a purchase to a team."""

from wtforms import RadioField, StringField

from reflow_accounts.web.forms import Form

NEW_TEAM = "new"


class ConnectForm(Form):
    """`team` is a team's id, or `new` with its name."""

    team = RadioField("Team", validate_choice=False)
    team_name = StringField("Team name")
