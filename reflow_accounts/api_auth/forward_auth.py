"""Forward authentication: a proxy asks whether the caller of its request has rights to a team."""

# Every refusal is 401 or 403, because nginx treats any other status but 2xx as an error
# (https://nginx.org/en/docs/http/ngx_http_auth_request_module.html).

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import parse_qsl, unquote_to_bytes

from reflow_accounts.api_auth.verify import PresentedTeam
from reflow_accounts.errors import InsufficientRights, SubscriptionInactive
from reflow_accounts.subscriptions.models import State
from reflow_accounts.teams.models import Rights
from reflow_accounts.web.request_info import LONGEST_METHOD, LONGEST_PATH, storable_path

_QUERY = "Send team=<id> and rights=view, edit or admin, each of them once and nothing else."
# The same for unknown teams, so as not to reveal which exist.
_STRANGER = "You have no rights to a team with this id."
# RFC 9110, 9.1: a token. Methods in lower case are not logged.
_METHOD = re.compile(rf"[A-Z][A-Z-]{{0,{LONGEST_METHOD - 1}}}", re.ASCII)
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
# A character may be four bytes, and each byte written as %xx.
_LONGEST_ENCODED = LONGEST_PATH * 12


def grant(query: str, teams: Sequence[PresentedTeam]) -> PresentedTeam:
    """Return the team in `query` if it is among the caller's `teams` with the required rights.

    `query` is the raw query string. It is compared with `teams`, without a database query. Raises
    InsufficientRights, also unless `query` has `team` and `rights`, each once, and nothing else, and
    SubscriptionInactive for a team without an active subscription, regardless of other teams.
    """
    team_id, required_rights = read_query(query)
    team = next((team for team in teams if team.public_id == team_id), None)
    if team is None:
        raise InsufficientRights(_STRANGER)
    if not Rights(team.rights).includes(required_rights):
        raise InsufficientRights(f"This needs {required_rights.title()} rights to {team.name}.")
    if team.subscription != State.ACTIVE:
        raise SubscriptionInactive(
            f"{team.name} has no active AWS Marketplace subscription. Contact support."
        )
    return team


def headers_of(user_id: str, team: PresentedTeam, key_id: str = "") -> dict[str, str]:
    """Return the headers for the service behind the proxy: public ids, and the user's rights.

    All four are always set (that of the key is empty for a session), so that a client cannot pass a header of
    its own in place of a missing one.
    """
    return {
        "X-Reflow-User": user_id,
        "X-Reflow-Team": team.public_id,
        "X-Reflow-Rights": team.rights,
        "X-Reflow-Key": key_id,
    }


def original_method(header: str) -> str | None:
    """Return the method in X-Original-Method, or None without a valid one.

    Method and path are only logged. They are not trusted: a caller with a valid key can send any header.
    """
    return header if _METHOD.fullmatch(header) else None


def original_path(header: str) -> str | None:
    """Return the path in X-Original-URI, decoded, without query and fragment; None without a valid one.

    An absolute URL is reduced to its path. Secrets in it are masked and control characters replaced.
    `header` is Latin-1, as in PEP 3333.
    """
    path = re.split(r"[?#]", _ORIGIN.sub("", header, count=1), maxsplit=1)[0][:_LONGEST_ENCODED]
    if not path.startswith("/"):
        return None
    return storable_path(unquote_to_bytes(path.encode("latin-1", "replace")).decode("utf-8", "replace"))


# A proxy sends the same few queries again and again.
@lru_cache(maxsize=1024)
def read_query(query: str) -> tuple[str, Rights]:
    """Return the team id and the required rights in a query. Raises InsufficientRights for any other query."""
    pairs = parse_qsl(query, keep_blank_values=True)
    if sorted(name for name, _ in pairs) != ["rights", "team"]:
        raise InsufficientRights(_QUERY)
    parameters = dict(pairs)
    try:
        return parameters["team"], Rights(parameters["rights"])
    except ValueError:
        raise InsufficientRights(_QUERY) from None
