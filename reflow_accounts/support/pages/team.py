"""A team as support sees it: members, keys, what AWS says, what support decided, and why."""

from flask import render_template

from reflow_accounts.api_keys.service import live_key_counts
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.database import db
from reflow_accounts.marketplace.agreements import agreements_of, flags_of
from reflow_accounts.subscriptions.service import changes_of
from reflow_accounts.support import service
from reflow_accounts.support.pages.blueprints import Answer, pages
from reflow_accounts.teams.models import Rights, Team
from reflow_accounts.teams.service import members_of
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import client


@pages.get("/teams/<team_id>")
def team(team_id: str) -> Answer:
    """Show a team: members, keys, subscription and why it is so."""
    found = service.team_of(team_id)
    page = render_template(
        "support/team.html",
        members=_with_keys(members_of(found)),
        keys=service.keys_of_members(found),
        **standing_part(found),
    )
    service.look_at(found, by=current_user(), address=client().address)
    db.session.commit()
    return page


def standing_part(found: Team) -> dict[str, object]:
    """Gather what a change of the subscription changes on the page."""
    described = service.described(found, by=current_user())
    licences = described.standing.licences
    agreements = agreements_of(licences)
    return {
        "found": described,
        "changes": changes_of(found),
        "agreements": agreements,
        "flags": {row.key: flags_of(row, agreements.get(row.agreement_id or "")) for row in licences},
    }


def _with_keys(members: list[tuple[User, Rights]]) -> list[tuple[User, Rights, int]]:
    counts = live_key_counts([user.id for user, _ in members])
    return [(user, rights, counts.get(user.id, 0)) for user, rights in members]
