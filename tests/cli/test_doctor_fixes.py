"""`reflow doctor`: the cause and the fix of a problem agree, and the fix works as printed."""

import shlex
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.doctor_report import Report
from tests.cli.folders import git, key_file, login, repository, secret_in
from tests.cli.secrets_for_tests import made_up_key

pytestmark = pytest.mark.slow

ADVICE = ("Correct it", "Create a new one", "Run reflow login", "Remove it", "run reflow login")


def words_of(fix: str) -> list[str]:
    """Return the arguments of a shown `reflow` command."""
    program, *words = shlex.split(fix)
    assert program == "reflow"
    return words


def test_unusable_key_file_is_said_to_be_unused(configured_terminal):
    (configured_terminal.folder / ".gitignore").write_text("*.key\n")
    key_file(configured_terminal.folder / "two.key", f"{made_up_key()}\n{made_up_key()}")

    report = Report(configured_terminal, "-k", "two.key")

    assert report.code == 4
    assert report["credential"]["detail"] == (
        f"{configured_terminal.folder}/two.key (-k) comes first, but it cannot be used; "
        f"it hides the key in {configured_terminal.file} (home folder)"
    )
    assert report["place 1"]["detail"] == (
        f"{configured_terminal.folder}/two.key (-k) holds more than one line, but a key is one line. "
        "Name another file, or leave -k out."
    )
    assert report["credential"]["fix"] == report["place 1"]["fix"] == "reflow doctor"
    assert configured_terminal.run(*words_of(report["credential"]["fix"])).code == 0


@pytest.mark.parametrize("content", ["rfk_cutoff", f"{made_up_key()}\n{made_up_key()}", ""])
@pytest.mark.parametrize("folder", [".", "a. b"])
def test_cause_of_an_unusable_file_has_no_advice_of_its_own(configured_terminal, content, folder):
    if folder != ".":
        configured_terminal.folder = repository(configured_terminal.folder / folder)
    file = key_file(configured_terminal.folder / "reflow.key", content)

    report = Report(configured_terminal)

    for row in (report["credential"], report["place 3"]):
        assert row["detail"].startswith(f"{file} (git root) ")
        assert not any(advice in row["detail"] for advice in ADVICE)
        assert row["fix"] == f"rm {shlex.quote(str(file))} && reflow keys create NAME --save repo"


def test_unusable_key_alone_is_replaced_by_a_login(live_terminal, live):
    file = key_file(live_terminal.home / ".reflow" / "api.key", "rfk_cutoff")

    fix = f"rm {file} && reflow login --server {live.url}"
    assert Report(live_terminal)["credential"]["fix"] == fix
    del live_terminal.environ["REFLOW_SERVER"]
    fix = f"rm {file} && reflow login --server https://HOST"
    assert Report(live_terminal)["credential"]["fix"] == fix


def test_refused_key_is_explained_once(configured_terminal, ada):
    ada.revoke(configured_terminal.key)

    row = Report(configured_terminal)["accepted"]

    assert row["detail"] == f"the key in {configured_terminal.file} (home folder) was revoked."
    assert (
        row["fix"]
        == f"rm {configured_terminal.file} && reflow login --server {configured_terminal.environ['REFLOW_SERVER']}"
    )


def test_revoked_key_file_is_replaced_by_a_new_key(configured_terminal, ada):
    old = ada.new_key()
    file = key_file(configured_terminal.folder / "old one.key", old["secret"])
    (configured_terminal.folder / ".gitignore").write_text("*.key\n")
    ada.revoke(old)

    row = Report(configured_terminal, "-k", "old one.key")["accepted"]

    assert row["detail"] == f"the key in {file} (-k) was revoked."
    assert configured_terminal.run(*words_of(row["fix"])).code == 0
    assert Report(configured_terminal, "-k", "old one.key").code == 0


def test_unknown_key_file_is_not_overwritten(configured_terminal):
    file = key_file(configured_terminal.folder / "other.key", made_up_key())

    row = Report(configured_terminal, "-k", "other.key")["accepted"]

    assert row["detail"].startswith(f"the key in {file} (-k) is not known to ")
    assert row["detail"].endswith(". Name another file, or leave -k out.")
    assert row["fix"] == "reflow doctor"


def test_revoked_key_of_a_service_account_is_replaced_by_an_admin(live_terminal, team_server, members):
    key = members.robot.key()
    live_terminal.environ |= {"REFLOW_SERVER": team_server.url, "REFLOW_API_KEY": key.secret}
    members.robot.revoke(key)

    row = Report(live_terminal)["accepted"]

    assert "an Admin of the team creates another" in row["detail"]
    assert row["fix"] == f"open {team_server.url}/account/team"


def test_disabled_person_is_sent_to_support(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = secret = made_up_key()
    listener.respond("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
    listener.refuse(secret, "account_disabled")

    row = Report(listener_terminal)["accepted"]

    assert row["detail"].endswith("belongs to an account that is disabled. Contact support.")
    assert row["fix"] == f"open {listener.url}/help"


def test_file_in_place_of_the_folder_is_moved_before_a_login(live_terminal, live, ada):
    in_the_way = key_file(live_terminal.home / ".reflow", "precious")

    refused = live_terminal.run("login", "--with-token", stdin=ada.session)
    report = Report(live_terminal)

    assert refused.code == 1
    assert refused.stderr == (
        f"reflow: The login cannot be kept in {in_the_way}/session.json, because {in_the_way} is not a folder. "
        "Move it away, and run the command again.\n"
    )
    assert report.code == 4
    assert report["credential"]["detail"].endswith(f"; {in_the_way} is not a folder, so no login can be kept")
    command = f"mv {in_the_way} {in_the_way}.old"
    assert report["credential"]["fix"] == f"{command} && reflow login --server {live.url}"
    subprocess.run(command.split(), check=True)
    assert live_terminal.run("login", "--with-token", stdin=ada.session).code == 0
    assert in_the_way.with_name(".reflow.old").read_text() == "precious\n"


@pytest.mark.parametrize("names_server", [True, False])
def test_damaged_login_is_removed_before_the_next(terminal, live, names_server):
    file = key_file(terminal.home / ".reflow" / "session.json", "{")
    if names_server:
        terminal.environ["REFLOW_SERVER"] = live.url

    report = Report(terminal)

    fix = f"rm {file} && reflow login --server {live.url if names_server else 'https://HOST'}"
    assert report["credential"]["fix"] == report["place 5"]["fix"] == fix
    assert report["place 5"]["detail"] == f"{file} (reflow login) is damaged."


def test_login_names_a_server(terminal):
    assert Report(terminal)["credential"]["fix"] == "reflow login --server https://HOST"


@pytest.mark.parametrize("what", ["missing", "folder"])
@pytest.mark.parametrize("reachable", [True, False])
def test_missing_key_file_is_a_usage_error_as_elsewhere(configured_terminal, what, reachable):
    if what == "folder":
        (configured_terminal.folder / "given").mkdir()
    if not reachable:
        configured_terminal.environ["REFLOW_SERVER"] = "http://127.0.0.1:9"

    report = Report(configured_terminal, "-k", "given")

    assert report.code == configured_terminal.run("-k", "given", "whoami").code == 2
    assert report["credential"]["fix"] == report["place 1"]["fix"] == "reflow doctor"
    assert report["credential"]["detail"].startswith(
        f"{configured_terminal.folder}/given (-k) comes first, but"
    )


def test_key_file_that_cannot_be_examined_is_reported(configured_terminal):
    report = Report(configured_terminal, "-k", "x" * 300)

    assert report.code == 2
    assert "cannot be read (File name too long). Name another" in report["place 1"]["detail"]


def test_missing_git_is_named(configured_terminal, tmp_path):
    configured_terminal.environ["PATH"] = str(tmp_path)

    row = Report(configured_terminal)["git files"]

    assert row["detail"] == (
        f"git cannot be asked about {configured_terminal.folder}: git is not installed or does not answer"
    )
    assert row["fix"] == "git --version"


def test_unreadable_repository_is_shown_with_its_status(keyed_terminal):
    git(keyed_terminal.folder, "init", "--quiet")
    (keyed_terminal.folder / ".git" / "config").write_text("[nonsense")

    row = Report(keyed_terminal)["git files"]

    assert row["detail"].endswith(f"{keyed_terminal.folder}: git does not read it")
    assert row["fix"] == f"git -C {keyed_terminal.folder} status"


def test_last_possible_end_is_shown(configured_terminal, ada):
    ada.ask("PATCH", f"/keys/{configured_terminal.key['id']}", {"expires_at": "9998-12-31T12:00:00Z"})

    report = Report(configured_terminal)

    assert report["expiry"]["detail"] == "the key ends on 9998-12-31"
    assert report.code == 0


def test_named_key_file_is_rotated_where_it_is(configured_terminal, ada):
    end = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    key = ada.new_key()
    ada.ask("PATCH", f"/keys/{key['id']}", {"expires_at": end})
    file = key_file(configured_terminal.folder / "soon.key", key["secret"])
    (configured_terminal.folder / ".gitignore").write_text("*.key\n")
    server = configured_terminal.environ.pop("REFLOW_SERVER")

    row = Report(configured_terminal, "-k", "soon.key", "--server", server)["expiry"]

    assert row["fix"] == f"reflow keys rotate {key['id']} -k soon.key --server {server}"
    assert configured_terminal.run(*words_of(row["fix"])).code == 0
    assert file.read_text().strip() != key["secret"]


@pytest.mark.parametrize("place", ["repo", "home", "file", "variable"])
def test_admin_rotates_the_key_of_a_service_account(terminal, team_server, members, place):
    members.other_team()
    key = members.robot.key(expires_at=datetime.now(UTC) + timedelta(days=1))
    file = {
        "repo": repository(terminal.folder) / "reflow.key",
        "home": terminal.home / ".reflow" / "api.key",
        "file": terminal.folder / "ci.key",
    }.get(place)
    if file:
        key_file(file, f"# server: {team_server.url}\n{key.secret}")
    else:
        terminal.environ |= {"REFLOW_API_KEY": key.secret, "REFLOW_SERVER": team_server.url}
    login(terminal.home, team_server.url, members.admin.session())

    row = Report(terminal, *(["-k", "ci.key"] if place == "file" else []))["expiry"]

    assert "it belongs to a service account, so an Admin of the team rotates it" in row["detail"]
    outcome = terminal.run(*words_of(row["fix"]))
    assert outcome.code == 0, outcome.output
    new = secret_in(file) if file else outcome.stdout.strip()
    assert new.startswith("rfk_")
    assert new != key.secret
