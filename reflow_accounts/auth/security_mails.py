"""Mails about changes of a user's second factors."""

from reflow_accounts.database import now
from reflow_accounts.mail.service import post
from reflow_accounts.users.models import User
from reflow_accounts.web.filters import exact
from reflow_accounts.web.request_info import Client


def mail_notice(user: User, sentence: str, client: Client) -> None:
    """Queue a mail to the user with the change (`sentence`), its time and the client."""
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
