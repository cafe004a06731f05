"""Actions of the audit log and their titles."""

from enum import StrEnum


class Action(StrEnum):
    """An action: its value in the log, and its title on pages and in mails."""

    title: str  # type: ignore[assignment]  # replaces str.title

    def __new__(cls, value: str, title: str = "") -> "Action":
        action = str.__new__(cls, value)
        action._value_, action.title = value, title
        return action

    ACCOUNT_CREATED = "account.created", "Account created"
    ACCOUNT_DELETED = "account.deleted", "Account deleted"
    SIGNED_IN = "session.created", "Signed in"
    SIGNED_OUT = "session.ended", "Signed out"
    SESSION_ENDED_ELSEWHERE = "session.ended_elsewhere", "Signed out another device"
    SIGN_IN_REFUSED = "session.refused", "Sign-in refused"
    DEVICE_APPROVED = "session.device_approved", "Command's login approved"
    DEVICE_DENIED = "session.device_denied", "Command's login denied"
    DEVICE_CODE_REFUSED = "session.device_code_refused", "Wrong code of a command's login"
    CONFIRMED = "session.confirmed", "Identity confirmed"
    CONFIRMATION_REFUSED = "session.confirmation_refused", "Confirmation refused"
    PROFILE_CHANGED = "profile.changed", "Profile changed"
    PASSWORD_CHANGED = "password.changed", "Password changed"  # pragma: allowlist secret
    PASSWORD_RESET = "password.reset", "Password reset"  # pragma: allowlist secret
    EMAIL_CHANGE_ASKED = "email.change_asked", "Email change asked for"
    EMAIL_CHANGED = "email.changed", "Email changed"
    SECOND_FACTOR_ON = "second_factor.on", "Two-factor authentication turned on"
    SECOND_FACTOR_OFF = "second_factor.off", "Two-factor authentication turned off"
    SECOND_FACTOR_RESET = "second_factor.reset", "Two-factor authentication reset"
    RECOVERY_CODES_MADE = "recovery_codes.made", "Recovery codes made"
    RECOVERY_CODE_USED = "recovery_codes.used", "Recovery code used"
    PASSKEY_ADDED = "passkey.added", "Passkey added"
    PASSKEY_RENAMED = "passkey.renamed", "Passkey renamed"
    PASSKEY_REMOVED = "passkey.removed", "Passkey removed"
    STAFF_ADDED = "staff.added", "Made support staff"
    STAFF_REMOVED = "staff.removed", "No longer support staff"
    USER_DISABLED = "user.disabled", "User disabled"
    USER_ENABLED = "user.enabled", "User enabled"
    TEAM_CREATED = "team.created", "Team created"
    KEY_CREATED = "api_key.created", "API key created"
    KEY_RENAMED = "api_key.renamed", "API key renamed"
    KEY_END_SET = "api_key.end_set", "End of an API key set"
    KEY_ROTATED = "api_key.rotated", "API key rotated"
    KEY_REVOKED = "api_key.revoked", "API key revoked"
    KEY_RESTORED = "api_key.restored", "API key restored"
    CANARY_USED = "api_key.canary_used", "Canary key used"
    USES_RECOUNTED = "uses.recounted", "Uses of API keys counted again"
    SUBSCRIPTION_ACTIVATED = "subscription.activated", "Subscription set to active"
    SUBSCRIPTION_DEACTIVATED = "subscription.deactivated", "Subscription set to inactive"
    SUBSCRIPTION_OVERRIDDEN = "subscription.overridden", "Subscription overridden by support"
    OVERRIDE_ENDED = "subscription.override_ended", "Override of the subscription ended"
    LICENCE_CLAIMED = "subscription.claimed", "AWS Marketplace subscription connected"
    TEAM_VIEWED = "support.team_viewed", "Team viewed by support"
    USER_VIEWED = "support.user_viewed", "User viewed by support"
    SUPPORT_SEARCHED = "support.searched", "Searched by support"
    MEMBER_INVITED = "member.invited", "Member invited"
    INVITATION_SENT_AGAIN = "invitation.sent_again", "Invitation sent again"
    INVITATION_CANCELLED = "invitation.cancelled", "Invitation cancelled"
    MEMBER_JOINED = "member.joined", "Member joined"
    MEMBER_LEFT = "member.left", "Member left"
    MEMBER_REMOVED = "member.removed", "Member removed"
    RIGHTS_CHANGED = "member.rights_changed", "Rights changed"
    TEAM_RENAMED = "team.renamed", "Team renamed"
    SERVICE_ACCOUNT_CREATED = "service_account.created", "Service account created"
    SERVICE_ACCOUNT_CHANGED = "service_account.changed", "Service account changed"
    SERVICE_ACCOUNT_DISABLED = "service_account.disabled", "Service account disabled"
    SERVICE_ACCOUNT_ENABLED = "service_account.enabled", "Service account enabled"
    SERVICE_ACCOUNT_DELETED = "service_account.deleted", "Service account deleted"

    @property
    def group(self) -> "EventGroup":
        """The group of the action, for filters of the activity."""
        return _GROUPS[self.partition(".")[0]]


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
