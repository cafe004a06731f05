"""The API of teams, their members, invitations and service accounts."""

from reflow_accounts.teams.api.service_accounts import service_accounts_blueprint as service_accounts
from reflow_accounts.teams.api.teams import blueprint as teams

__all__ = ["service_accounts", "teams"]
