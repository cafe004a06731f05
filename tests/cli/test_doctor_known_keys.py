"""`reflow doctor` and a service account's key in the history: who is told how to revoke it."""

import shlex

import pytest

from tests.cli.doctor_report import Report
from tests.cli.folders import git, key_file, repository

pytestmark = pytest.mark.slow

HISTORY = "git history"


def leak(terminal, secret: str) -> None:
    """Have the history hold a key that is in no file any more."""
    key_file(repository(terminal.folder) / "notes.txt", secret)
    git(terminal.folder, "add", "notes.txt")
    git(terminal.folder, "commit", "--quiet", "-m", "oops")
    git(terminal.folder, "rm", "--quiet", "notes.txt")
    git(terminal.folder, "commit", "--quiet", "-m", "away with it")


@pytest.mark.parametrize("teams", [1, 2])
def test_admin_revokes_the_key_with_the_shown_command(admin, members, teams):
    leaked = members.robot.key("deploy")
    leak(admin, leaked.secret)
    if teams > 1:
        members.other_team()

    report = Report(admin)

    assert (report.code, report.problems) == (1, [(HISTORY, "error")])
    assert "that of the service account robot is live" in report[HISTORY]["detail"]
    of_team = f"--team {members.team.id} " if teams > 1 else ""
    command = f"reflow team service-accounts keys revoke {of_team}robot {leaked.id}"
    assert report[HISTORY]["fix"] == command
    assert admin.run(*shlex.split(command)[1:]).code == 0
    report = Report(admin)
    assert (report.code, report.problems) == (0, [])
    assert "which was revoked" in report[HISTORY]["detail"]


def test_other_member_is_told_to_ask_an_admin(terminal_for, members):
    live_terminal = terminal_for(members.editor)
    leak(live_terminal, members.robot.key("deploy").secret)

    report = Report(live_terminal)

    assert report[HISTORY]["state"] == "error"
    assert "revoke it, if it is not yet" in report[HISTORY]["detail"]


def test_service_account_recognizes_its_key(terminal_for, members):
    live_terminal = terminal_for(members.robot)
    leak(live_terminal, members.robot.key("deploy").secret)

    assert "and yours is live" in Report(live_terminal)[HISTORY]["detail"]
