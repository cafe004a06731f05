"""The answer to "who am I": the same words whether a key or a session asks, inside Flask or before it."""

import json
from collections.abc import Iterable
from typing import Any

from reflow_accounts.access.authorizing import teams_of_session
from reflow_accounts.api_keys.presented import PresentedKey, PresentedTeam
from reflow_accounts.identity.models import UserSession

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
            "teams": _listed(key.teams),
            "authenticated_by": {"type": "key", "id": key.public_id, "name": key.name, "hint": key.hint},
        }
    )


def body_of_session(session: UserSession) -> bytes:
    """Describe the caller whose session of the command this is."""
    user = session.user
    return _body(
        {
            "user": {
                "id": user.public_id,
                "name": user.full_name,
                "email": user.email,
                "kind": user.kind,
                "is_staff": user.is_staff,
            },
            "teams": _listed(teams_of_session(session)),
            "authenticated_by": {"type": "session", "id": session.public_id, "name": None, "hint": None},
        }
    )


def _listed(teams: Iterable[PresentedTeam]) -> list[dict[str, str]]:
    return [
        {"id": team.public_id, "name": team.name, "rights": team.rights, "subscription": team.subscription}
        for team in teams
    ]


def _body(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
