"""Actions of the audit log and their titles."""

from enum import StrEnum


class Action(StrEnum):
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_DELETED = "account.deleted"
    SIGNED_IN = "session.created"
    SIGNED_OUT = "session.ended"
    SESSION_ENDED_ELSEWHERE = "session.ended_elsewhere"
    SIGN_IN_REFUSED = "session.refused"
    DEVICE_APPROVED = "session.device_approved"
    DEVICE_DENIED = "session.device_denied"
    DEVICE_CODE_REFUSED = "session.device_code_refused"
    CONFIRMED = "session.confirmed"
    CONFIRMATION_REFUSED = "session.confirmation_refused"
    PROFILE_CHANGED = "profile.changed"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105  # pragma: allowlist secret
    PASSWORD_RESET = "password.reset"  # noqa: S105  # pragma: allowlist secret
    EMAIL_CHANGE_ASKED = "email.change_asked"
    EMAIL_CHANGED = "email.changed"
    SECOND_FACTOR_ON = "second_factor.on"
    SECOND_FACTOR_OFF = "second_factor.off"
    SECOND_FACTOR_RESET = "second_factor.reset"
    RECOVERY_CODES_MADE = "recovery_codes.made"
    RECOVERY_CODE_USED = "recovery_codes.used"
    PASSKEY_ADDED = "passkey.added"
    PASSKEY_RENAMED = "passkey.renamed"
    PASSKEY_REMOVED = "passkey.removed"
    STAFF_ADDED = "staff.added"
    STAFF_REMOVED = "staff.removed"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    TEAM_CREATED = "team.created"
    KEY_CREATED = "api_key.created"
    KEY_RENAMED = "api_key.renamed"
    KEY_END_SET = "api_key.end_set"
    KEY_ROTATED = "api_key.rotated"
    KEY_REVOKED = "api_key.revoked"
    KEY_RESTORED = "api_key.restored"
    CANARY_USED = "api_key.canary_used"
    USES_RECOUNTED = "uses.recounted"
    SUBSCRIPTION_ACTIVATED = "subscription.activated"
    SUBSCRIPTION_DEACTIVATED = "subscription.deactivated"
    SUBSCRIPTION_OVERRIDDEN = "subscription.overridden"
    OVERRIDE_ENDED = "subscription.override_ended"
    LICENCE_CLAIMED = "subscription.claimed"
    TEAM_VIEWED = "support.team_viewed"
    USER_VIEWED = "support.user_viewed"
    SUPPORT_SEARCHED = "support.searched"
    MEMBER_INVITED = "member.invited"
    INVITATION_SENT_AGAIN = "invitation.sent_again"
    INVITATION_CANCELLED = "invitation.cancelled"
    MEMBER_JOINED = "member.joined"
    MEMBER_LEFT = "member.left"
    MEMBER_REMOVED = "member.removed"
    RIGHTS_CHANGED = "member.rights_changed"
    TEAM_RENAMED = "team.renamed"
    SERVICE_ACCOUNT_CREATED = "service_account.created"
    SERVICE_ACCOUNT_CHANGED = "service_account.changed"
    SERVICE_ACCOUNT_DISABLED = "service_account.disabled"
    SERVICE_ACCOUNT_ENABLED = "service_account.enabled"
    SERVICE_ACCOUNT_DELETED = "service_account.deleted"

    @property
    def group(self) -> "EventGroup":
        """The group of the action, for filters of the activity."""
        return _GROUPS[self.partition(".")[0]]

    @property
    def title(self) -> str:  # type: ignore[override]  # replaces str.title
        return _TITLES[self]


class EventGroup(StrEnum):
    """Groups of entries in the activity, for filters. `REQUESTS` are uses of keys, not actions."""

    REQUESTS = "requests"
    KEYS = "keys"
    SIGN_INS = "sign-ins"
    SECURITY = "security"
    TEAM = "team"
    SUBSCRIPTION = "subscription"


# By the part of an action before the dot.
_GROUPS = {
    "api_key": EventGroup.KEYS,
    "uses": EventGroup.KEYS,
    "session": EventGroup.SIGN_INS,
    "account": EventGroup.SECURITY,
    "profile": EventGroup.SECURITY,
    "password": EventGroup.SECURITY,
    "email": EventGroup.SECURITY,
    "second_factor": EventGroup.SECURITY,
    "recovery_codes": EventGroup.SECURITY,
    "passkey": EventGroup.SECURITY,
    "staff": EventGroup.SECURITY,
    "user": EventGroup.SECURITY,
    "team": EventGroup.TEAM,
    "member": EventGroup.TEAM,
    "invitation": EventGroup.TEAM,
    "service_account": EventGroup.TEAM,
    "subscription": EventGroup.SUBSCRIPTION,
    "support": EventGroup.SUBSCRIPTION,
}

# Actions in a team that all its members see.
OF_EVERY_MEMBER = frozenset(
    {Action.SUBSCRIPTION_ACTIVATED, Action.SUBSCRIPTION_DEACTIVATED, Action.TEAM_RENAMED}
)
# Reads by staff: logged, but not shown to users.
OF_STAFF = frozenset({Action.TEAM_VIEWED, Action.USER_VIEWED, Action.SUPPORT_SEARCHED})

_TITLES = {
    Action.ACCOUNT_CREATED: "Account created",
    Action.ACCOUNT_DELETED: "Account deleted",
    Action.SIGNED_IN: "Signed in",
    Action.SIGNED_OUT: "Signed out",
    Action.SESSION_ENDED_ELSEWHERE: "Signed out another device",
    Action.SIGN_IN_REFUSED: "Sign-in refused",
    Action.DEVICE_APPROVED: "Command's login approved",
    Action.DEVICE_DENIED: "Command's login denied",
    Action.DEVICE_CODE_REFUSED: "Wrong code of a command's login",
    Action.CONFIRMED: "Identity confirmed",
    Action.CONFIRMATION_REFUSED: "Confirmation refused",
    Action.PROFILE_CHANGED: "Profile changed",
    Action.PASSWORD_CHANGED: "Password changed",  # pragma: allowlist secret
    Action.PASSWORD_RESET: "Password reset",  # pragma: allowlist secret
    Action.EMAIL_CHANGE_ASKED: "Email change asked for",
    Action.EMAIL_CHANGED: "Email changed",
    Action.SECOND_FACTOR_ON: "Two-factor authentication turned on",
    Action.SECOND_FACTOR_OFF: "Two-factor authentication turned off",
    Action.SECOND_FACTOR_RESET: "Two-factor authentication reset",
    Action.RECOVERY_CODES_MADE: "Recovery codes made",
    Action.RECOVERY_CODE_USED: "Recovery code used",
    Action.PASSKEY_ADDED: "Passkey added",
    Action.PASSKEY_RENAMED: "Passkey renamed",
    Action.PASSKEY_REMOVED: "Passkey removed",
    Action.STAFF_ADDED: "Made support staff",
    Action.STAFF_REMOVED: "No longer support staff",
    Action.USER_DISABLED: "User disabled",
    Action.USER_ENABLED: "User enabled",
    Action.TEAM_CREATED: "Team created",
    Action.KEY_CREATED: "API key created",
    Action.KEY_RENAMED: "API key renamed",
    Action.KEY_END_SET: "End of an API key set",
    Action.KEY_ROTATED: "API key rotated",
    Action.KEY_REVOKED: "API key revoked",
    Action.KEY_RESTORED: "API key restored",
    Action.CANARY_USED: "Canary key used",
    Action.USES_RECOUNTED: "Uses of API keys counted again",
    Action.SUBSCRIPTION_ACTIVATED: "Subscription set to active",
    Action.SUBSCRIPTION_DEACTIVATED: "Subscription set to inactive",
    Action.SUBSCRIPTION_OVERRIDDEN: "Subscription overridden by support",
    Action.OVERRIDE_ENDED: "Override of the subscription ended",
    Action.LICENCE_CLAIMED: "AWS Marketplace subscription connected",
    Action.TEAM_VIEWED: "Team viewed by support",
    Action.USER_VIEWED: "User viewed by support",
    Action.SUPPORT_SEARCHED: "Searched by support",
    Action.MEMBER_INVITED: "Member invited",
    Action.INVITATION_SENT_AGAIN: "Invitation sent again",
    Action.INVITATION_CANCELLED: "Invitation cancelled",
    Action.MEMBER_JOINED: "Member joined",
    Action.MEMBER_LEFT: "Member left",
    Action.MEMBER_REMOVED: "Member removed",
    Action.RIGHTS_CHANGED: "Rights changed",
    Action.TEAM_RENAMED: "Team renamed",
    Action.SERVICE_ACCOUNT_CREATED: "Service account created",
    Action.SERVICE_ACCOUNT_CHANGED: "Service account changed",
    Action.SERVICE_ACCOUNT_DISABLED: "Service account disabled",
    Action.SERVICE_ACCOUNT_ENABLED: "Service account enabled",
    Action.SERVICE_ACCOUNT_DELETED: "Service account deleted",
}
