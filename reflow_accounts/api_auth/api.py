"""`/me`: the caller, with teams and rights; `/authorize`: a check of the caller's rights for a proxy."""

from typing import Any

import marshmallow as ma
from flask import Response, current_app, request

from reflow_accounts.api_auth import forward_auth
from reflow_accounts.api_auth.verify import JSON, body_of_key, body_of_session, teams_of_session
from reflow_accounts.auth.current_user import caller
from reflow_accounts.auth.schemas import UserOut
from reflow_accounts.subscriptions.models import State
from reflow_accounts.teams.models import Rights
from reflow_accounts.web.compression import keep_uncompressed
from reflow_accounts.web.openapi import ApiBlueprint, Schema
from reflow_accounts.web.request_input import takes_any_query

blueprint = ApiBlueprint("me", __name__, description="Who you are")


class MyTeam(Schema):
    """A team of the caller. API keys give access to it only while its subscription is active."""

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
    """Show the caller, its teams, and the credential of this request."""
    keep_uncompressed()
    who = caller()
    if who.key:
        return current_app.response_class(body_of_key(who.key), mimetype=JSON)
    assert who.session
    return current_app.response_class(body_of_session(who.session), mimetype=JSON)


def _parameter(name: str, where: str, about: str, **schema: Any) -> dict[str, Any]:
    kind = {"type": "string"} | schema
    return {"name": name, "in": where, "required": where == "query", "description": about, "schema": kind}


_RESPONSE_HEADERS = {
    name: {"description": about, "schema": {"type": "string"}}
    for name, about in {
        "X-Reflow-User": "The id of the user",
        "X-Reflow-Team": "The id of the team",
        "X-Reflow-Rights": "The user's rights to the team: view, edit or admin",
        "X-Reflow-Key": "The id of the API key; empty for a session",
    }.items()
}


@blueprint.route("/authorize")
@takes_any_query
@blueprint.response(204, headers=_RESPONSE_HEADERS, description="Allowed")
@blueprint.doc(
    parameters=[
        _parameter("team", "query", "The id of a team"),
        _parameter("rights", "query", "The required rights", enum=list(Rights)),
        _parameter("X-Original-Method", "header", "The method of the original request"),
        _parameter("X-Original-URI", "header", "The path of the original request; its query is not stored"),
    ]
)
def authorize() -> Response:
    """Check that the caller has the required rights to a team, for a proxy in front of another service.

    Every refusal is 401 or 403, also for an unknown team. The team must have an active subscription. The use
    of the key is recorded with method and path of the original request.
    """
    keep_uncompressed()
    who, query = caller(), request.query_string.decode("latin-1")
    if who.key:
        team = forward_auth.grant(query, who.key.teams)
        headers = forward_auth.headers_of(who.key.facts.user_public_id, team, who.key.facts.public_id)
    else:
        assert who.session
        team = forward_auth.grant(query, teams_of_session(who.session))
        headers = forward_auth.headers_of(who.session.user.public_id, team)
    response = current_app.response_class(status=204, headers=headers)
    del response.headers["Content-Type"]
    return response
