"""Records refused requests with a key in a bounded number of rows, and mails the first use of a canary key."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, delete, select

from reflow_accounts.api_keys.events import mail_owner, record_action
from reflow_accounts.api_keys.models import ApiKey, KeyRefusal, RefusedAttempt
from reflow_accounts.api_keys.user_agents import program_of
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import SOMEBODY
from reflow_accounts.auth.secrets import canary_digest_of
from reflow_accounts.contract import Code
from reflow_accounts.database import db, upsert
from reflow_accounts.web.filters import exact
from reflow_accounts.web.request_info import Client

# Attempts kept for each key and reason; a new one replaces the oldest.
KEPT_ATTEMPTS = 20
# The reasons to refuse the key itself, whatever the request.
REASONS = (
    Code.UNKNOWN_KEY,
    Code.REVOKED_KEY,
    Code.EXPIRED_KEY,
    Code.ACCOUNT_DISABLED,
    Code.SUBSCRIPTION_INACTIVE,
)

# Temporary reasons. After a day without a refusal, counting starts at one again.
TEMPORARY = (Code.ACCOUNT_DISABLED, Code.SUBSCRIPTION_INACTIVE)
QUIET = timedelta(days=1)


@dataclass(frozen=True)
class RefusedRequest:
    """One refused request with a key; `code` is one of REASONS."""

    key_id: int
    code: Code
    at: datetime
    method: str
    path: str
    address: str
    user_agent: str

    @property
    def program(self) -> str | None:
        """The program that the user agent names; None if unknown."""
        return program_of(self.user_agent)


def record_refusal(request: RefusedRequest) -> int:
    """Count a refused request in the session's transaction; return the count for its key and reason.

    Concurrent calls are serialized, so that each number is returned once.
    """
    dialect = db.session.get_bind().dialect
    first = {"key_id": request.key_id, "code": request.code, "count": 1}
    insertion = upsert(dialect, KeyRefusal).values(first_at=request.at, last_at=request.at, **first)
    changed: dict[str, Any] = {"count": KeyRefusal.count + 1, "last_at": request.at}
    if request.code in TEMPORARY:
        is_new = KeyRefusal.last_at < request.at - QUIET
        changed["count"] = case((is_new, 1), else_=KeyRefusal.count + 1)
        changed["first_at"] = case((is_new, request.at), else_=KeyRefusal.first_at)
    place = [KeyRefusal.key_id, KeyRefusal.code]
    statement = insertion.on_conflict_do_update(index_elements=place, set_=changed).returning(
        KeyRefusal.count
    )
    count: int = db.session.execute(statement).scalar_one()
    attempt = upsert(dialect, RefusedAttempt).values(**vars(request), slot=_slot_for(request))
    place = [RefusedAttempt.key_id, RefusedAttempt.code, RefusedAttempt.slot]
    newest = {name: attempt.excluded[name] for name in ("at", "method", "path", "address", "user_agent")}
    db.session.execute(attempt.on_conflict_do_update(index_elements=place, set_=newest))
    return count


def _slot_for(request: RefusedRequest) -> int:
    """Return an unused slot for an attempt, or that of the oldest attempt with the same key and reason."""
    slots = select(RefusedAttempt.slot).where(
        RefusedAttempt.key_id == request.key_id, RefusedAttempt.code == request.code
    )
    used_slots = db.session.scalars(slots.order_by(RefusedAttempt.at)).all()
    return min({*range(KEPT_ATTEMPTS)}.difference(used_slots), default=used_slots[0] if used_slots else 0)


def refusals_of(key: ApiKey) -> Sequence[KeyRefusal]:
    """Return the refusals of a key, by reason, the latest first."""
    query = select(KeyRefusal).where(KeyRefusal.key_id == key.id)
    return db.session.scalars(query.order_by(KeyRefusal.last_at.desc())).all()


def latest_attempts_with(key: ApiKey) -> Sequence[RefusedAttempt]:
    """Return the latest refused requests with a key, newest first."""
    query = select(RefusedAttempt).where(RefusedAttempt.key_id == key.id)
    return db.session.scalars(query.order_by(RefusedAttempt.at.desc()).limit(KEPT_ATTEMPTS)).all()


def clear_revoked_refusals(key_id: int) -> None:
    """Delete the refusals of an earlier revocation, when a key is revoked again."""
    for model in (RefusedAttempt, KeyRefusal):
        db.session.execute(delete(model).where(model.key_id == key_id, model.code == Code.REVOKED_KEY))


def note_presentation(secret: str, request: RefusedRequest, client: Client) -> bool:
    """Record a request if its secret is a canary, and mail the owner the first time; return whether it is.

    `request` may have any key id. The caller commits.
    """
    canary = db.session.scalar(
        select(ApiKey).where(ApiKey.digest == canary_digest_of(secret), ApiKey.is_canary)
    )
    if canary is None or canary.user.deleted_at:
        return canary is not None
    count = record_refusal(replace(request, key_id=canary.id))
    if count == 1:
        record_action(Action.CANARY_USED, canary, SOMEBODY, client)
        mail_owner(
            canary,
            "canary_used",
            at=exact(request.at),
            address=client.address,
            client=request.program or request.user_agent or "It did not name itself.",
            request=f"{request.method} {request.path}",
        )
    return True
