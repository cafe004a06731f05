"""`/me`: who is asking, by which credential, and what they may do where."""

from typing import Any

import marshmallow as ma

from reflow_accounts.identity.caller import Caller, caller
from reflow_accounts.identity.schemas import UserOut
from reflow_accounts.subscriptions.models import State
from reflow_accounts.subscriptions.service import standings_of
from reflow_accounts.teams.models import Rights
from reflow_accounts.teams.service import memberships_of
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
def show_me() -> dict[str, Any]:
    """Say who you are, which teams you belong to and which credential was used."""
    memberships = memberships_of(caller().user)
    standings = standings_of([membership.team_id for membership in memberships])
    teams = [
        {
            "id": membership.team.public_id,
            "name": membership.team.name,
            "rights": membership.rights,
            "subscription": standings[membership.team_id].state,
        }
        for membership in memberships
    ]
    return {"user": caller().user, "teams": teams, "authenticated_by": _proof(caller())}


def _proof(who: Caller) -> dict[str, str | None]:
    if who.key:
        return {"type": "key", "id": who.key.public_id, "name": who.key.name, "hint": who.key.hint}
    assert who.session
    return {"type": "session", "id": who.session.public_id, "name": None, "hint": None}
