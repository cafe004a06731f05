"""Canary keys: traps that authenticate nobody, and whose first use is mailed to their owner."""

from sqlalchemy import select

from reflow_accounts.api_keys.acts import mail_owner, record_act
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.refusals import Refused, record_refusal
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import SOMEBODY
from reflow_accounts.auth.secrets import canary_digest_of
from reflow_accounts.database import db
from reflow_accounts.web.filters import exact
from reflow_accounts.web.request_info import Client


def note_presentation(secret: str, refused: Refused, client: Client) -> bool:
    """Record that a canary was presented, and mail its owner the first time; return whether it was one.

    `refused` is the request, with any key id. The caller commits.
    """
    canary = db.session.scalar(
        select(ApiKey).where(ApiKey.digest == canary_digest_of(secret), ApiKey.is_canary)
    )
    if canary is None or canary.user.deleted_at:
        return canary is not None
    count = record_refusal(refused.of(canary.id))
    if count == 1:
        record_act(Action.CANARY_USED, canary, SOMEBODY, client)
        mail_owner(
            canary,
            "canary_used",
            at=exact(refused.at),
            address=client.address,
            client=canary_client(refused),
            request=f"{refused.method} {refused.path}",
        )
    return True


def canary_client(refused: Refused) -> str:
    """Return what the client calls itself."""
    return refused.program or refused.user_agent or "It did not name itself."
