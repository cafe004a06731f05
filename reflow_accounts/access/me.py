"""The answer to "who am I": the same words whether a key or a session asks, inside Flask or before it."""

import json
from typing import Any

from reflow_accounts.api_keys.presented import PresentedKey
from reflow_accounts.identity.models import UserSession
from reflow_accounts.subscriptions.service import standings_of
from reflow_accounts.teams.service import memberships_of

JSON = "application/json"


def body_of_key(key: PresentedKey) -> bytes:
    """Describe the caller who presented `key`; asks the database nothing more."""
    return _body(
        {
            "user": {
                "id": key.user_public_id,
                "name": key.user_name,
                "email": key.user_email,
                "kind": key.user_kind,
                "is_staff": key.user_is_staff,
            },
            "teams": [
                {
                    "id": team.public_id,
                    "name": team.name,
                    "rights": team.rights,
                    "subscription": team.subscription,
                }
                for team in key.teams
            ],
            "authenticated_by": {"type": "key", "id": key.public_id, "name": key.name, "hint": key.hint},
        }
    )


def body_of_session(session: UserSession) -> bytes:
    """Describe the caller whose session of the command this is."""
    user = session.user
    memberships = memberships_of(user)
    standings = standings_of([membership.team_id for membership in memberships])
    return _body(
        {
            "user": {
                "id": user.public_id,
                "name": user.full_name,
                "email": user.email,
                "kind": user.kind,
                "is_staff": user.is_staff,
            },
            "teams": [
                {
                    "id": membership.team.public_id,
                    "name": membership.team.name,
                    "rights": membership.rights,
                    "subscription": standings[membership.team_id].state,
                }
                for membership in memberships
            ],
            "authenticated_by": {"type": "session", "id": session.public_id, "name": None, "hint": None},
        }
    )


def _body(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
