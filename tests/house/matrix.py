"""Access matrix: the expected response for each member of the cast at each route.

The columns are Ada (Admin of Acme), Ben (Edit), Vic (View), Charlie (an outsider), the program (Edit, with its
key), Sam (staff) and nobody (signed out). Acme is the team of every address; another member, a service account,
an invitation and a service account's key are Acme's; keys, sessions and passkeys of one's own are Ada's.

The pending terminal login is one whose code Ada typed.

`y` done or shown · `f` allowed, but the input is invalid · `L` redirected to log in · `1` needs a credential
(401) · `3` insufficient rights (403) · `4` not found (404) · `s` allowed with a session, not with a key
`c` allowed with a session, but there is nothing to do (409); not with a key

Text after a `?` is sent too, in the URL or the form.
"""

from dataclasses import dataclass

CAST = ("ada", "ben", "vic", "charlie", "ci", "sam", "nobody")

PUBLIC = """
y y y y L y L  GET     /
y y y y y y y  GET     /healthz
y y y y y y y  GET     /readyz
y y y y y y y  GET     /cli/<name>
4 4 4 4 4 4 4  GET     /metrics
y y y y y y y  GET     /help/api
y y y y y y y  GET     /help/api-keys
y y y y y y y  GET     /help/cli
y y y y y y y  GET     /privacy
y y y y y y y  GET     /login
f f f f f f f  POST    /login
L L L L L L L  GET     /login/code
L L L L L L L  POST    /login/code
L L L L L L L  GET     /login/recovery-code
L L L L L L L  POST    /login/recovery-code
f f f f f f f  POST    /login/passkey
y y y y y y y  POST    /login/passkey/options
L L L L L L L  POST    /logout
y y y y y y y  GET     /signup
y y y y f y f  POST    /signup
y y y y y y y  GET     /forgot-password
y y y y y y y  POST    /forgot-password
f f f f f f f  GET     /reset-password/<token>
f f f f f f f  POST    /reset-password/<token>
f f f f f f f  GET     /verify-email/<token>
f f f f f f f  POST    /verify-email/<token>
f f f f f f f  GET     /confirm-email/<token>
f f f f f f f  POST    /confirm-email/<token>
f f f f f f f  GET     /invitations/<token>
f f f f f f f  POST    /invitations/<token>
y y y y y y y  GET     /marketplace/aws
4 4 4 4 4 4 4  POST    /marketplace/aws
4 4 4 4 4 4 4  GET     /registration
4 4 4 4 4 4 4  POST    /registration
"""

OWN = """
y y y y L y L  GET     /account
y y y y L y L  GET     /account/profile
y y y y L y L  POST    /account/profile
y y y y L y L  GET     /account/profile/export
y y y y L y L  GET     /account/profile/deletion
f f f f L f L  POST    /account/profile/deletion
y y y y L y L  GET     /account/confirmation
y y y y L y L  POST    /account/confirmation
y y y y L y L  GET     /account/subscription
y y y y L y L  GET     /account/security
f f f f L f L  POST    /account/security/password
y y y y L y L  GET     /account/security/other-sessions/end
y y y y L y L  POST    /account/security/other-sessions/end
y 4 4 4 L 4 L  POST    /account/security/sessions/<session_id>/end
y y y y L y L  GET     /account/security/passkeys/new
f f f f L f L  POST    /account/security/passkeys
y y y y L y L  POST    /account/security/passkeys/options
y y y y L y L  POST    /account/security/passkeys/proof-options
y 4 4 4 L 4 L  GET     /account/security/passkeys/<passkey_id>
y 4 4 4 L 4 L  POST    /account/security/passkeys/<passkey_id>
y 4 4 4 L 4 L  GET     /account/security/passkeys/<passkey_id>/removal
y 4 4 4 L 4 L  POST    /account/security/passkeys/<passkey_id>/removal
y y y y L y L  GET     /account/security/second-factor/new
f f f f L f L  POST    /account/security/second-factor
y y y y L y L  GET     /account/security/second-factor/removal
f f f f L f L  POST    /account/security/second-factor/removal
f f f f L f L  POST    /account/security/recovery-codes
y y y y L y L  GET     /account/api-keys
y y y y L 3 L  GET     /account/api-keys/new
y y y y L 3 L  POST    /account/api-keys
y f f f L f L  POST    /account/api-keys?owner=<account_id>
y 4 4 4 L 4 L  GET     /account/api-keys/<key_id>
f 4 4 4 L 4 L  POST    /account/api-keys/<key_id>/restoration
y 4 4 4 L 4 L  GET     /account/api-keys/<key_id>/revocation
y 4 4 4 L 4 L  POST    /account/api-keys/<key_id>/revocation
y 4 4 4 L 4 L  GET     /account/api-keys/<key_id>/rotation
y 4 4 4 L 4 L  POST    /account/api-keys/<key_id>/rotation
y 4 4 4 L 4 L  GET     /account/api-keys/<key_id>/replacement
y 4 4 4 L 4 L  POST    /account/api-keys/<key_id>/replacement
y y y y L y L  GET     /account/outcome
y y y y L y L  GET     /account/activity
y y y 4 L 4 L  GET     /account/activity?team=<team_id>
y y y 4 L 4 L  GET     /account/activity?account=<account_id>
y 4 4 4 L 4 L  GET     /account/activity?key=<key_id>
y y y y L y L  GET     /account/activity/export
y y y 4 L 4 L  GET     /account/activity/export?team=<team_id>
y y y 4 L 4 L  GET     /account/activity/export?account=<account_id>
y 4 4 4 L 4 L  GET     /account/activity/export?key=<key_id>
"""

DEVICE = """
y y y y L y L  GET     /device
f f f f L f L  POST    /device
y 4 4 4 L 4 L  GET     /device/<login_id>
y 4 4 4 L 4 L  POST    /device/<login_id>/approval
y 4 4 4 L 4 L  POST    /device/<login_id>/denial
"""

TEAM = """
y y y y L y L  GET     /account/team
y y y 4 L 4 L  GET     /account/team?team=<team_id>
y y y y L y L  GET     /account/team/choice
y y y 4 L 4 L  POST    /account/team/choice?team=<team_id>
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/name
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/name
y y y 4 L 4 L  GET     /account/teams/<team_id>/departure
y y y 4 L 4 L  POST    /account/teams/<team_id>/departure
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/members/<user_id>/removal
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/members/<user_id>/removal
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/members/<user_id>/rights
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/invitations/new
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/invitations
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/invitations/<invitation_id>/sending
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/invitations/<invitation_id>/cancellation
y y y 4 L 4 L  GET     /account/teams/<team_id>/service-accounts
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/service-accounts
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/service-accounts/new
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/service-accounts/<account_id>
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/service-accounts/<account_id>/settings
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/service-accounts/<account_id>/settings
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/service-accounts/<account_id>/status
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/service-accounts/<account_id>/deletion
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/service-accounts/<account_id>/deletion
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/service-accounts/<account_id>/keys/new
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/service-accounts/<account_id>/keys
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>
f 3 3 4 L 4 L  POST    /account/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>/restoration
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>/revocation
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>/revocation
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>/rotation
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>/rotation
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>/replacement
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>/replacement
y 3 3 4 L 4 L  GET     /account/teams/<team_id>/ci-key
y 3 3 4 L 4 L  POST    /account/teams/<team_id>/ci-key
"""

SUPPORT = """
4 4 4 4 4 y 4  GET     /support
4 4 4 4 4 y 4  GET     /support/export
4 4 4 4 4 y 4  GET     /support/teams/<team_id>
4 4 4 4 4 y 4  GET     /support/teams/<team_id>/subscription
4 4 4 4 4 f 4  POST    /support/teams/<team_id>/subscription
4 4 4 4 4 y 4  POST    /support/keys
4 4 4 4 4 y 4  GET     /support/keys/<key_id>/revocation
4 4 4 4 4 f 4  POST    /support/keys/<key_id>/revocation
4 4 4 4 4 y 4  GET     /support/users/<user_id>
4 4 4 4 4 y 4  GET     /support/users/<user_id>/sessions/end
4 4 4 4 4 f 4  POST    /support/users/<user_id>/sessions/end
"""

API = """
y y y y y y y  GET     /api/v1/openapi.json
y y y y y y y  POST    /api/v1/sessions
s s s s 3 s 1  DELETE  /api/v1/sessions/current
y y y y y y y  POST    /api/v1/device/code
f f f f f f f  POST    /api/v1/device/token
y y y y y y 1  GET     /api/v1/me
y 3 3 3 3 3 1  GET     /api/v1/authorize?team=<team_id>&rights=admin
y y 3 3 y 3 1  GET     /api/v1/authorize?team=<team_id>&rights=edit
y y y 3 y 3 1  GET     /api/v1/authorize?team=<team_id>&rights=view
y y y y y y 1  GET     /api/v1/activity
y y y y y y 1  GET     /api/v1/activity/export
y 4 4 4 4 4 1  GET     /api/v1/activity/export?key=<key_id>
y 4 4 4 4 4 1  GET     /api/v1/activity?key=<key_id>
y y y y y y 1  GET     /api/v1/keys
y y y y 3 3 1  POST    /api/v1/keys
y 4 4 4 4 4 1  GET     /api/v1/keys/<key_id>
y 4 4 4 4 4 1  PATCH   /api/v1/keys/<key_id>
y 4 4 4 4 4 1  DELETE  /api/v1/keys/<key_id>
y 4 4 4 4 4 1  GET     /api/v1/keys/<key_id>/uses
y 4 4 4 4 4 1  GET     /api/v1/keys/<key_id>/usage
y 4 4 4 4 4 1  POST    /api/v1/keys/<key_id>/rotation
c 4 4 4 4 4 1  DELETE  /api/v1/keys/<key_id>/revocation
y y y y y y 1  GET     /api/v1/teams
y y y 4 y 4 1  GET     /api/v1/teams/<team_id>
y 3 3 4 3 4 1  PATCH   /api/v1/teams/<team_id>
y y y 4 y 4 1  GET     /api/v1/teams/<team_id>/members
y 3 3 4 3 4 1  PATCH   /api/v1/teams/<team_id>/members/<user_id>
y 3 3 4 3 4 1  DELETE  /api/v1/teams/<team_id>/members/<user_id>
y 3 3 4 3 4 1  GET     /api/v1/teams/<team_id>/invitations
y 3 3 4 3 4 1  POST    /api/v1/teams/<team_id>/invitations
y 3 3 4 3 4 1  DELETE  /api/v1/teams/<team_id>/invitations/<invitation_id>
y 3 3 4 3 4 1  POST    /api/v1/teams/<team_id>/invitations/<invitation_id>/sending
y y y 4 y 4 1  GET     /api/v1/teams/<team_id>/service-accounts
y 3 3 4 3 4 1  POST    /api/v1/teams/<team_id>/service-accounts
y y y 4 y 4 1  GET     /api/v1/teams/<team_id>/service-accounts/<account_id>
y 3 3 4 3 4 1  PATCH   /api/v1/teams/<team_id>/service-accounts/<account_id>
y 3 3 4 3 4 1  DELETE  /api/v1/teams/<team_id>/service-accounts/<account_id>
y 3 3 4 3 4 1  GET     /api/v1/teams/<team_id>/service-accounts/<account_id>/keys
y 3 3 4 3 4 1  POST    /api/v1/teams/<team_id>/service-accounts/<account_id>/keys
y 3 3 4 3 4 1  GET     /api/v1/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>
y 3 3 4 3 4 1  GET     /api/v1/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>/usage
y 3 3 4 3 4 1  PATCH   /api/v1/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>
y 3 3 4 3 4 1  DELETE  /api/v1/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>
y 3 3 4 3 4 1  POST    /api/v1/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>/rotation
c 3 3 4 3 4 1  DELETE  /api/v1/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>/revocation
4 4 4 4 4 y 1  GET     /api/v1/support/teams
4 4 4 4 4 y 1  PUT     /api/v1/support/teams/<team_id>/subscription
"""


@dataclass(frozen=True)
class Row:
    """A route, what is sent with it, and the letter of each member of the cast."""

    method: str
    rule: str
    sent: str
    letters: dict[str, str]

    @classmethod
    def of(cls, line: str) -> "Row":
        *letters, method, address = line.split()
        rule, _, sent = address.partition("?")
        return cls(method, rule, sent, dict(zip(CAST, letters, strict=True)))

    def __str__(self) -> str:
        return f"{self.method} {self.rule}{'?' if self.sent else ''}{self.sent}"


def rows_of(*parts: str) -> list[Row]:
    return [Row.of(line) for part in parts for line in part.split("\n") if line]


PAGES = rows_of(PUBLIC, OWN, DEVICE, TEAM, SUPPORT)
PROGRAMS = rows_of(API)
