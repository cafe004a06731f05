"""The Team tab and the page of an invitation link: the blueprints of each entry point."""

from reflow_accounts.teams.pages import invitations, joining, members, service_accounts, tab

PUBLIC = (joining.blueprint,)
ACCOUNT = (
    tab.blueprint,
    members.blueprint,
    invitations.blueprint,
    service_accounts.blueprint,
)
