"""`/support/teams`, for staff only. The after-request handler commits."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import abort, current_app

from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.second_factor import has_second_factor
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, InsufficientRights, ValidationFailed
from reflow_accounts.support import service
from reflow_accounts.support.schemas import Decision, SearchQuery, SupportTeamOut
from reflow_accounts.support.service import ConsoleTeam, record_search
from reflow_accounts.web.openapi import ApiBlueprint, page_of
from reflow_accounts.web.pagination import Page
from reflow_accounts.web.request_info import client

blueprint = ApiBlueprint("support-teams", __name__, description="For support staff")


View = TypeVar("View", bound=Callable[..., Any])


def staff_only(view: View) -> View:
    """Decorate a view to return 404 to users who are not staff."""

    @wraps(view)
    def wrapper(*arguments: Any, **more: Any) -> Any:
        if not current_user().is_staff:
            abort(404)  # as for an unknown URL
        if current_app.config["SETTINGS"].is_production and not has_second_factor(current_user()):
            raise InsufficientRights("Support staff need a second factor: set one up in Account, Security.")
        return view(*arguments, **more)

    return wrapper  # type: ignore[return-value]  # same signature


@blueprint.route("/support/teams")
@staff_only
@blueprint.arguments(SearchQuery, location="query")
@blueprint.response(200, page_of(SupportTeamOut))
def list_support_teams(query: dict[str, Any]) -> Page[ConsoleTeam]:
    """Find teams by name, id, a member's email or id, or an AWS account, newest first. Staff only.

    Each search is recorded in the audit log. A secret in `q` is refused and not recorded.
    """
    record_search(query["q"], by=current_user(), address=client().address)
    return service.teams_page(query["q"], by=current_user(), limit=query["limit"], cursor=query.get("cursor"))


@blueprint.route("/support/teams/<team_id>/subscription", methods=["PUT"])
@staff_only
@blueprint.arguments(Decision)
@blueprint.response(200, SupportTeamOut)
def set_subscription(payload: dict[str, Any], team_id: str) -> ConsoleTeam:
    """Override a team's subscription as active or inactive, whatever AWS reports. Staff only.

    An inactive override lasts until `expires_at`, or until staff end it; an active one until `expires_at`, or for
    30 days. If AWS reports an active licence without an end, `active` without `expires_at` ends any override instead.
    An override with the same state stays unchanged, unless `expires_at` differs.
    """
    team = service.team_of(team_id)
    try:
        was_changed = service.set_active(
            team,
            payload["active"],
            payload["reason"],
            by=current_user(),
            version=payload["version"],
            until=payload["expires_at"],
            ticket=payload["ticket"],
        )
    except Conflict:
        # The end of an override was recorded, and may be the conflict.
        db.session.commit()
        raise
    except ValidationFailed as failed:
        # The API calls the field `expires_at`.
        faults = {"expires_at" if name == "until" else name: text for name, text in failed.fields.items()}
        raise ValidationFailed(**faults) from None
    if not was_changed:
        # The response shows the team.
        service.record_team_view(team, by=current_user(), address=client().address)
    return service.describe_team(team, by=current_user())
