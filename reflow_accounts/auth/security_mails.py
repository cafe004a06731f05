"""What a person is told by mail when the ways into their account change."""

from reflow_accounts.database import now
from reflow_accounts.mail.service import post
from reflow_accounts.users.models import User
from reflow_accounts.web.filters import exact
from reflow_accounts.web.request_info import Client


def tell(user: User, sentence: str, client: Client) -> None:
    """Put a notice into the outbox: what was changed, when, and from where."""
    if user.email:
        post(
            "second_factor_changed",
            user.email,
            name=user.full_name,
            sentence=sentence,
            at=exact(now()),
            device=client.device,
            address=client.address,
        )
