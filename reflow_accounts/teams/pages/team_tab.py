"""Content of the Team tab, as a page or as the changed part of it."""

from dataclasses import dataclass

from flask import flash, get_flashed_messages, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from reflow_accounts.api_keys.service_accounts import accounts_page
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.database import db
from reflow_accounts.errors import DomainError, InsufficientRights, RateLimited
from reflow_accounts.teams.member_list import Member, count_people, invitations_page, members_page
from reflow_accounts.teams.models import Invitation, Membership, Rights, Team
from reflow_accounts.teams.pages.service_accounts import FLASH_CATEGORY as ACCOUNTS_CATEGORY
from reflow_accounts.teams.service import current_of, membership_of
from reflow_accounts.web import htmx
from reflow_accounts.web.pagination import Page

ROWS_ON_A_PAGE = 50
_FLASH_CATEGORY = "team-done"


@dataclass(frozen=True)
class TeamTab:
    """A team as a member sees it. `message` confirms an action, `fault` is an error message."""

    team: Team
    rights: Rights
    people: Page[Member]
    count: int
    invitations: Page[Invitation] | None
    cursor: str | None
    message: str = ""
    fault: str = ""

    @property
    def is_admin(self) -> bool:
        return self.rights == Rights.ADMIN

    @property
    def is_alone(self) -> bool:
        """Whether the team has no other people and no invitations."""
        return self.count == 1 and not (self.invitations and self.invitations.items)


def team_tab(membership: Membership, message: str = "", fault: str = "") -> TeamTab:
    """Return the content of the tab; only Admins see invitations."""
    team, rights = membership.team, Rights(membership.rights)
    cursor = request.values.get("cursor") or None
    invitations_cursor = request.values.get("waiting") or None
    messages: list[str] = get_flashed_messages(category_filter=[_FLASH_CATEGORY])  # type: ignore[assignment]  # no pairs
    return TeamTab(
        team,
        rights,
        members_page(team, limit=ROWS_ON_A_PAGE, cursor=cursor),
        count_people(team),
        invitations_page(team, limit=ROWS_ON_A_PAGE, cursor=invitations_cursor)
        if rights == Rights.ADMIN
        else None,
        cursor,
        message or " ".join(messages),
        fault,
    )


def render_tab(membership: Membership, fault: str = "") -> str:
    """Render the whole tab."""
    cursor = request.args.get("accounts")
    return render_template(
        "teams/index.html",
        shown=team_tab(membership, fault=fault),
        membership=membership,
        accounts=accounts_page(membership.team, cursor=cursor),
        accounts_cursor=cursor,
        done=get_flashed_messages(category_filter=[ACCOUNTS_CATEGORY]),
    )


def respond_done(team_id: str, message: str) -> ResponseReturnValue:
    """Respond to a committed action: with the changed part for htmx, else redirect to the tab."""
    membership = membership_of(current_user(), team_id)
    if not htmx.is_part():
        return redirect_to_tab(membership.team, message)
    tab = team_tab(membership, message)
    if not htmx.is_dialog():
        return render_template("teams/_members.html", shown=tab)
    return htmx.close_dialog(make_response(render_template("teams/changed.html", shown=tab)), message)


def respond_refused(team_id: str, error: DomainError) -> ResponseReturnValue:
    """Respond to a refused action on a row: the part or the tab, with the error message.

    Raises `error` if htmx changes a part and rights were lost: the buttons outside the part depend on them.
    """
    db.session.rollback()
    if isinstance(error, InsufficientRights) and htmx.is_part():
        raise error
    membership = membership_of(current_user(), team_id)
    if htmx.is_part():
        page = render_template("teams/_members.html", shown=team_tab(membership, fault=str(error)))
    else:
        page = render_tab(membership, fault=str(error))
    response = make_response(page, error.status)
    if isinstance(error, RateLimited):
        response.headers.update(error.headers)
    return response


def redirect_to_tab(team: Team, message: str) -> Response:
    """Redirect to the tab of this team, which shows the message."""
    flash(message, _FLASH_CATEGORY)
    return redirect(tab_url(team), 303)


def tab_url(team: Team) -> str:
    """Return the URL of a team's tab, with the team's id unless it is the current team."""
    current = current_of(current_user())
    is_current = current is not None and current.team_id == team.id
    return url_for(
        "account.team.show",
        team=None if is_current else team.public_id,
        cursor=request.values.get("cursor") or None,
        waiting=request.values.get("waiting") or None,
    )
