"""Step-up: who wants to do something grave proves again to be the person, when the last proof is old."""

from datetime import timedelta

from reflow_accounts.errors import InsufficientRights
from reflow_accounts.extensions import now
from reflow_accounts.identity.caller import caller

# OWASP ASVS 5.0, 7.5.1 and 7.5.3.
PROOF_LIFETIME = timedelta(minutes=30)


class ProofNeeded(InsufficientRights):
    """The last proof is too old; the person is asked for another, and the act goes on after it."""


def ensure_recent_proof() -> None:
    """Let a browser's request through whose session was proven in the last 30 minutes; raise ProofNeeded.

    Call it first in the view of a grave act, before anything is written.
    """
    session = caller().session
    if session and (session.proven_at is None or now() - session.proven_at > PROOF_LIFETIME):
        raise ProofNeeded("Confirm that it is you.")
