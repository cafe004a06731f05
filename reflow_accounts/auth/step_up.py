"""Step-up: who wants to do something grave proves again to be the person, when the last proof is old."""

from collections.abc import Mapping

from flask import request

from reflow_accounts.auth import login, login_manager, passkeys, second_factor, sessions
from reflow_accounts.auth.current_user import caller
from reflow_accounts.auth.models import Factor, SessionKind, UserSession
from reflow_accounts.auth.passkeys import Site
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.database import db
from reflow_accounts.errors import InsufficientRights, RateLimited
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.users.models import User
from reflow_accounts.web import redirects
from reflow_accounts.web.request_info import client

# What a form sends as a proof; no other field is named so.
PROOF = "proof_"


class ProofNeeded(InsufficientRights):
    """The last proof is too old; the person is asked for another, and the act goes on after it.

    `faults` says, by field, what was wrong with the proof that was sent; empty when there was none.
    `retry_after` is in seconds, once there were too many wrong ones.
    """

    def __init__(self, faults: Mapping[str, str] | None = None, *, retry_after: int = 0) -> None:
        super().__init__("Confirm that it is you.")
        self.faults, self.retry_after = faults or {}, retry_after


def ensure_recent_proof() -> None:
    """Let a browser's request through whose session was proven in the last 30 minutes, or that proves it now.

    Call it first in the view of a grave act, before anything is written. Raises ProofNeeded, which is
    answered with a form that sends the same act again together with a proof: it is checked and committed
    here, and the act goes on.
    """
    session = caller().session
    if session and session.kind == SessionKind.BROWSER and not sessions.has_recent_proof(session):
        _take_proof(session)


def ensure_open_console() -> None:
    """Let a request into the support console; after half an hour without one, or half a day, ask as above."""
    session = caller().session
    assert session
    if not sessions.is_open_for_support(session):
        _take_proof(session)
    if sessions.touch_support(session):
        db.session.commit()


def _take_proof(session: UserSession) -> None:
    """Accept the proof that came with the request. Raises ProofNeeded when there is none, or a wrong one."""
    words = {name: value for name, value in request.form.items() if name.startswith(PROOF)}
    if not words:
        raise ProofNeeded
    account = session.user.public_id
    # A code is shorter than a password: it is counted by itself, and by the hour too.
    act: rate_limits.Act = "step-up-code" if words.get("proof_code") else "step-up"
    try:
        with rate_limits.attempt(act, account=account):
            faults = faults_of_proof(session.user, words)
    except RateLimited as error:
        raise ProofNeeded({next(iter(words)): str(error)}, retry_after=error.retry_after) from None
    if faults:
        sessions.refuse_confirmation(session, client=client())
        db.session.commit()
        raise ProofNeeded(faults)
    value = sessions.confirm(session, _factor_of(words), client=client())
    db.session.commit()
    rate_limits.give_back(act, account=account)
    if value:
        login_manager.renew(value)


def _factor_of(words: Mapping[str, str]) -> Factor:
    if words.get("proof_credential"):
        return Factor.PASSKEY
    return Factor.CODE if words.get("proof_code") else Factor.PASSWORD


def faults_of_proof(user: User, words: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with a proof, by field; nothing when it shows that this is `user`.

    `words` are the fields of ProofForm that were sent. Each kind of proof has its field, its lines here,
    and its part in the template `auth/confirmation.html`; the password is what is left when no other
    kind was chosen.
    """
    if words.get("proof_credential"):
        site = Site.at(redirects.origin())
        is_right = passkeys.verify(words["proof_credential"], site, user) is not None
        return {} if is_right else {"proof_credential": "This passkey does not show that it is you"}
    if words.get("proof_code"):
        is_right = second_factor.accept_code(user, words["proof_code"])
        return {} if is_right else {"proof_code": second_factor.WRONG_CODE}
    password = words.get("proof_password", "")
    if not password:
        return {"proof_password": "Enter your password"}  # pragma: allowlist secret
    if not hasher().matches(password, user.password_hash):
        return {"proof_password": "This is not your password"}  # pragma: allowlist secret
    login.renew_password_hash(user, password, hasher())
    return {}
