"""Step-up: a sensitive action needs recent authentication."""

from collections.abc import Mapping

from flask import request

from reflow_accounts.auth import login, login_manager, passkeys, second_factor, sessions
from reflow_accounts.auth.current_user import caller, page_session
from reflow_accounts.auth.models import Factor, SessionKind, UserSession
from reflow_accounts.auth.passkeys import Site
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.database import db
from reflow_accounts.errors import Gone, InsufficientRights, RateLimited
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.users.models import User
from reflow_accounts.web import redirects
from reflow_accounts.web.request_info import client

# Field names of proofs; no other field has this prefix.
PROOF = "proof_"
MISSING_PASSWORD = "Enter your password"  # noqa: S105  # pragma: allowlist secret
WRONG_PASSWORD = "This is not your password"  # noqa: S105  # pragma: allowlist secret


class ProofNeeded(InsufficientRights):
    """The last authentication is too old; a form asks for a proof and then repeats the action.

    `faults` are messages by field about the proof that was sent; empty without one.
    `retry_after` is in seconds, after too many wrong proofs.
    """

    def __init__(self, faults: Mapping[str, str] | None = None, *, retry_after: int = 0) -> None:
        super().__init__("Confirm that it is you.")
        self.faults, self.retry_after = faults or {}, retry_after


def ensure_recent_proof() -> None:
    """Require authentication in the last 30 minutes, or a valid proof in the request.

    Call it first in the view of a sensitive action, before any write. Raises ProofNeeded, which is
    answered with a form that repeats the request with a proof. That proof is checked and committed
    here.
    """
    session = caller().session
    if session and session.kind == SessionKind.BROWSER and not sessions.has_recent_proof(session):
        _take_proof(session)


def ensure_open_console() -> None:
    """Require an open support console: used in the last half hour and authenticated in the last half day."""
    session = page_session()
    if not sessions.is_open_for_support(session):
        _take_proof(session)
    if sessions.touch_support(session):
        db.session.commit()


def _take_proof(session: UserSession) -> None:
    """Accept the proof in the request. Raises ProofNeeded for a missing or wrong one."""
    proof_fields = {name: value for name, value in request.form.items() if name.startswith(PROOF)}
    if not proof_fields:
        raise ProofNeeded
    account = session.user.public_id
    # Codes are shorter than passwords and have an additional hourly limit.
    act: rate_limits.Act = "step-up-code" if proof_fields.get("proof_code") else "step-up"
    try:
        with rate_limits.attempt(act, account=account):
            faults = faults_of_proof(session.user, proof_fields)
    except RateLimited as error:
        raise ProofNeeded({next(iter(proof_fields)): str(error)}, retry_after=error.retry_after) from None
    if faults:
        sessions.refuse_confirmation(session, client=client())
        db.session.commit()
        raise ProofNeeded(faults)
    factor = Factor.CODE if proof_fields.get("proof_code") else Factor.PASSWORD
    if proof_fields.get("proof_credential"):
        factor = Factor.PASSKEY
    try:
        value = sessions.confirm(session, factor, client=client())
    except Gone as ended:
        db.session.rollback()
        raise ProofNeeded({next(iter(proof_fields)): str(ended)}) from None
    db.session.commit()
    rate_limits.give_back(act, account=account)
    if value:
        login_manager.renew(value)


def faults_of_proof(user: User, proof_fields: Mapping[str, str]) -> dict[str, str]:
    """Return messages by field about a proof; empty if the proof is valid for `user`.

    `proof_fields` are the fields of ProofForm that were sent; without another kind of proof, the password is
    checked. A new kind needs a field, a check here, and a section in the template `auth/confirmation.html`.
    """
    if proof_fields.get("proof_credential"):
        site = Site.at(redirects.origin())
        is_right = passkeys.verify(proof_fields["proof_credential"], site, user) is not None
        return {} if is_right else {"proof_credential": "This passkey could not confirm that it is you"}
    if proof_fields.get("proof_code"):
        is_right = second_factor.accept_code(user, proof_fields["proof_code"])
        return {} if is_right else {"proof_code": second_factor.WRONG_CODE}
    password = proof_fields.get("proof_password", "")
    if not password:
        return {"proof_password": MISSING_PASSWORD}
    if not hasher().matches(password, user.password_hash):
        return {"proof_password": WRONG_PASSWORD}
    try:
        login.renew_password_hash(user, password, hasher())
    except login.PasswordReplaced:
        return {"proof_password": WRONG_PASSWORD}
    return {}
