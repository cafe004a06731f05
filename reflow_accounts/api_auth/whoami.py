"""The body of `/me`, the same for keys and sessions, inside Flask and in the event loop."""

import json
from collections.abc import Iterable
from typing import Any

from reflow_accounts.api_auth.forward_auth import teams_of_session
from reflow_accounts.api_auth.verify import PresentedKey, PresentedTeam
from reflow_accounts.auth.models import UserSession

JSON = "application/json"
_encode = json.JSONEncoder(separators=(",", ":")).encode


def body_of_key(key: PresentedKey) -> bytes:
    """Return the body for the caller with `key`, without a query."""
    facts = key.facts
    return _body(
        {
            "user": {
                "id": facts.user_public_id,
                "name": facts.full_name,
                "email": facts.email,
                "kind": facts.kind,
                "is_staff": bool(facts.is_staff),
            },
            "teams": _listed(key.teams),
            "authenticated_by": {
                "type": "key",
                "id": facts.public_id,
                "name": facts.name,
                "hint": facts.hint,
            },
        }
    )


def body_of_session(session: UserSession) -> bytes:
    """Return the body for the caller with this session."""
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
    return _encode(answer).encode()
