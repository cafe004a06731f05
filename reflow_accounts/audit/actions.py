"""Every act that is kept, with the words in which people read it."""

from enum import StrEnum


class Action(StrEnum):
    SIGNED_IN = "session.created"
    SIGNED_OUT = "session.ended"
    PROFILE_CHANGED = "profile.changed"
    KEY_CREATED = "api_key.created"
    KEY_RENAMED = "api_key.renamed"
    KEY_REVOKED = "api_key.revoked"
    SUBSCRIPTION_ACTIVATED = "subscription.activated"
    SUBSCRIPTION_DEACTIVATED = "subscription.deactivated"
    TEAM_VIEWED = "support.team_viewed"

    @property
    def title(self) -> str:  # type: ignore[override]  # nobody wants str.title here
        return _TITLES[self]


_TITLES = {
    Action.SIGNED_IN: "Signed in",
    Action.SIGNED_OUT: "Signed out",
    Action.PROFILE_CHANGED: "Profile changed",
    Action.KEY_CREATED: "API key created",
    Action.KEY_RENAMED: "API key renamed",
    Action.KEY_REVOKED: "API key revoked",
    Action.SUBSCRIPTION_ACTIVATED: "Subscription set to active",
    Action.SUBSCRIPTION_DEACTIVATED: "Subscription set to inactive",
    Action.TEAM_VIEWED: "Team viewed by support",
}
