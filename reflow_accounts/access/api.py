"""`/me`: who is asking, by which credential, and what they may do where."""

import marshmallow as ma
from flask import Response, current_app

from reflow_accounts.access import me
from reflow_accounts.identity.caller import caller
from reflow_accounts.identity.schemas import UserOut
from reflow_accounts.subscriptions.models import State
from reflow_accounts.teams.models import Rights
from reflow_accounts.web.documents import ApiBlueprint, Schema

blueprint = ApiBlueprint("me", __name__, description="Who you are")


class MyTeam(Schema):
    """A team of the caller. API keys open it only while its subscription is active."""

    id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    rights = ma.fields.String(required=True, validate=ma.validate.OneOf(list(Rights)))
    subscription = ma.fields.String(required=True, validate=ma.validate.OneOf(list(State)))


class Proof(Schema):
    """The credential of this request: an API key (`id`, `name`, `hint`), or a session (`id`)."""

    type = ma.fields.String(required=True, validate=ma.validate.OneOf(["key", "session"]))
    id = ma.fields.String(required=True)
    name = ma.fields.String(required=True, allow_none=True)
    hint = ma.fields.String(required=True, allow_none=True)


class Me(Schema):
    """The caller."""

    user = ma.fields.Nested(UserOut, required=True)
    teams = ma.fields.List(ma.fields.Nested(MyTeam), required=True)
    authenticated_by = ma.fields.Nested(Proof, required=True)


@blueprint.route("/me")
@blueprint.response(200, Me)
def show_me() -> Response:
    """Say who you are, which teams you belong to and which credential was used."""
    who = caller()
    if who.key:
        return current_app.response_class(me.body_of_key(who.key), mimetype=me.JSON)
    assert who.session
    return current_app.response_class(me.body_of_session(who.session), mimetype=me.JSON)
