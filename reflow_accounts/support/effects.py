"""Describes what a change of a subscription does: which keys stop or work again, and who is mailed."""

from dataclasses import dataclass

from sqlalchemy import func, or_, select

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db, now
from reflow_accounts.subscriptions.service import users_who_depend_on
from reflow_accounts.support.service import ConsoleTeam
from reflow_accounts.teams.models import Membership, Team
from reflow_accounts.teams.service import addresses_of_admins
from reflow_accounts.users.models import User
from reflow_accounts.web.filters import exact

# If there are more addresses, only their number is shown.
_MOST_ADDRESSES = 3


@dataclass(frozen=True)
class Effects:
    """Effects of a change of the state: the numbers of affected and unaffected keys, and who gets a mail.

    A key is not affected when its user has another team with an active subscription.
    """

    affected: int
    unaffected: int
    addresses: tuple[str, ...]

    def sentences(self, *, active: bool) -> str:
        """Return sentences about what happens when the subscription becomes active or inactive."""
        does = "works again" if self.affected == 1 else "work again"
        lines = [f"{_count(self.affected, 'API key')} {does if active else 'will be refused'} at once."]
        lines = lines if self.affected else []
        if self.unaffected and not active:
            goes = "goes" if self.unaffected == 1 else "go"
            why = "the user has" if self.unaffected == 1 else "their users have"
            lines.append(
                f"{_count(self.unaffected, 'API key')} {goes} on working: {why} another active team."
            )
        lines.append(f"Members {'can' if active else 'cannot'} create new keys through this team.")
        is_short = len(self.addresses) <= _MOST_ADDRESSES
        to = " and ".join(self.addresses) if is_short else _count(len(self.addresses), "Admin")
        return " ".join(
            [*lines, f"A mail goes to {to}." if to else "No mail is sent: no Admin has an address."]
        )


def effects_of(team: Team) -> Effects:
    """Return the effects of a change of a team's state. Keys that are refused anyway are not counted."""
    query = (
        select(ApiKey.user_id, func.count())
        .join(Membership, Membership.user_id == ApiKey.user_id)
        .join(User, User.id == ApiKey.user_id)
        .where(
            Membership.team_id == team.id,
            ApiKey.revoked_at.is_(None),
            ApiKey.is_canary.is_(False),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now()),
            User.disabled_at.is_(None),
        )
    )
    counts: dict[int, int] = dict(db.session.execute(query.group_by(ApiKey.user_id)).all())
    affected = sum(counts[user_id] for user_id in users_who_depend_on(team) & counts.keys())
    return Effects(affected, sum(counts.values()) - affected, tuple(addresses_of_admins(team)))


def effect_of(console_team: ConsoleTeam, action: str, effects: Effects) -> str:
    """Describe what a button of the console does; `action` is "true", "false", or "aws" to end the override."""
    status = console_team.status
    aws_state = "active" if status.is_active_by_aws else "inactive"
    if action == "aws":
        decides = f"AWS Marketplace decides again, and says that the subscription is {aws_state}."
        is_flip = status.is_active != status.is_active_by_aws
        return f"{decides} {effects.sentences(active=not status.is_active)}" if is_flip else decides
    active, override, licence = action == "true", status.override, status.licence
    if active != status.is_active:
        return effects.sentences(active=active)
    if override:
        end = exact(override.expires_at) if override.expires_at else "somebody ends the override"
        return f"Support keeps it {status.state} until {end}. AWS Marketplace says that it is {aws_state}."
    if not active:
        return (
            "Nothing changes now. It stays inactive whatever AWS Marketplace says: a new purchase does not "
            "activate it."
        )
    ends_at = licence.ends_at if licence and status.licence_state == "ending" else None
    end = f", which lets it end {exact(ends_at)}" if ends_at else ""
    return f"Nothing changes now. It stays active until the chosen day, whatever AWS Marketplace says{end}."


def effects_of_buttons(console_team: ConsoleTeam) -> list[tuple[str, str]]:
    """Return the label and the effect of each button on the page of a team."""
    keep_action = "true" if console_team.status.is_active else "false"
    effects = effects_of(console_team.team)
    switch_action = "false" if keep_action == "true" else "true"
    buttons = [(console_team.verb(switch_action == "true"), switch_action)]
    buttons += [(console_team.verb(keep_action == "true"), keep_action)]
    buttons += [("End override", "aws")] if console_team.status.override else []
    return [(label, effect_of(console_team, action, effects)) for label, action in buttons]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
