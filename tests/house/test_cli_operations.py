"""Every operation of the API has a command."""

import json
from pathlib import Path

import click
import pytest

from reflow_accounts.cli.app import reflow

# The usage of a key is shown before the question whether to revoke it.
OPERATIONS = dict(
    line.split(" -> ")
    for line in """\
showMe -> whoami
authorize -> authorize
listKeys -> keys list
createKey -> keys create
showKey -> keys show
changeKey -> keys rename
restoreKey -> keys restore
showKeyUsage -> keys revoke
restoreServiceAccountKey -> team service-accounts keys restore
showServiceAccountKeyUsage -> team service-accounts keys revoke
revokeKey -> keys revoke
rotateKey -> keys rotate
listKeyUses -> keys show
listTeams -> team list
showTeam -> team show
renameTeam -> team rename
listMembers -> team members list
changeMemberRights -> team members rights
removeMember -> team members remove
listInvitations -> team invitations list
inviteMembers -> team invite
cancelInvitation -> team invitations cancel
resendInvitation -> team invitations resend
listServiceAccounts -> team service-accounts list
createServiceAccount -> team service-accounts create
showServiceAccount -> team service-accounts show
changeServiceAccount -> team service-accounts rename
deleteServiceAccount -> team service-accounts delete
listServiceAccountKeys -> team service-accounts keys list
createServiceAccountKey -> team service-accounts keys create
showServiceAccountKey -> team service-accounts keys show
changeServiceAccountKey -> team service-accounts keys rename
revokeServiceAccountKey -> team service-accounts keys revoke
rotateServiceAccountKey -> team service-accounts keys rotate
listActivity -> activity
exportActivity -> activity
listSupportTeams -> support teams
setSubscription -> support subscription
createSession -> login
endSession -> logout
requestDeviceCode -> login
requestDeviceToken -> login
""".splitlines()
)


def test_every_operation_has_a_command():
    document = json.loads(Path(__file__).with_name("openapi.json").read_text("utf-8"))
    methods = ("get", "post", "put", "patch", "delete")
    operations = {
        path[method]["operationId"] for path in document["paths"].values() for method in methods & path.keys()
    }

    assert OPERATIONS.keys() == operations


@pytest.mark.parametrize("words", sorted(set(OPERATIONS.values())))
def test_command_exists(words):
    found: click.Command = reflow
    for word in words.split():
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), word)

    assert found is not None
