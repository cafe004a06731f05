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


def words_of(mend: str) -> list[str]:
    """Return the arguments of a shown `reflow` command."""
    program, *words = shlex.split(mend)
    assert program == "reflow"
    return words


def test_unusable_key_file_is_said_to_be_unused(well):
    (well.folder / ".gitignore").write_text("*.key\n")
    key_file(well.folder / "two.key", f"{made_up_key()}\n{made_up_key()}")

    report = Report(well, "-k", "two.key")

    assert report.code == 4
    assert report["credential"]["detail"] == (
        f"{well.folder}/two.key (-k) comes first, but it cannot be used; "
        f"it hides the key in {well.file} (home folder)"
    )
    assert report["place 1"]["detail"] == (
        f"{well.folder}/two.key (-k) holds more than one line, but a key is one line. "
        "Name another file, or leave -k out."
    )
    assert report["credential"]["mend"] == report["place 1"]["mend"] == "reflow doctor"
    assert well.run(*words_of(report["credential"]["mend"])).code == 0


@pytest.mark.parametrize("content", ["rfk_cutoff", f"{made_up_key()}\n{made_up_key()}", ""])
@pytest.mark.parametrize("folder", [".", "a. b"])
def test_cause_of_an_unusable_file_has_no_advice_of_its_own(well, content, folder):
    if folder != ".":
        well.folder = repository(well.folder / folder)
    file = key_file(well.folder / "reflow.key", content)

    report = Report(well)

    for row in (report["credential"], report["place 3"]):
        assert row["detail"].startswith(f"{file} (git root) ")
        assert not any(advice in row["detail"] for advice in ADVICE)
        assert row["mend"] == f"rm {shlex.quote(str(file))} && reflow keys create NAME --save repo"


def test_unusable_key_alone_is_replaced_by_a_login(there, live):
    file = key_file(there.home / ".reflow" / "api.key", "rfk_cutoff")

    mend = f"rm {file} && reflow login --server {live.url}"
    assert Report(there)["credential"]["mend"] == mend
    del there.environ["REFLOW_SERVER"]
    mend = f"rm {file} && reflow login --server https://HOST"
    assert Report(there)["credential"]["mend"] == mend


def test_refused_key_is_explained_once(well, ada):
    ada.revoke(well.key)

    row = Report(well)["accepted"]

    assert row["detail"] == f"the key in {well.file} (home folder) was revoked."
    assert row["mend"] == f"rm {well.file} && reflow login --server {well.environ['REFLOW_SERVER']}"


def test_revoked_key_file_is_replaced_by_a_new_key(well, ada):
    old = ada.new_key()
    file = key_file(well.folder / "old one.key", old["secret"])
    (well.folder / ".gitignore").write_text("*.key\n")
    ada.revoke(old)

    row = Report(well, "-k", "old one.key")["accepted"]

    assert row["detail"] == f"the key in {file} (-k) was revoked."
    assert well.run(*words_of(row["mend"])).code == 0
    assert Report(well, "-k", "old one.key").code == 0


def test_unknown_key_file_is_not_overwritten(well):
    file = key_file(well.folder / "other.key", made_up_key())

    row = Report(well, "-k", "other.key")["accepted"]

    assert row["detail"].startswith(f"the key in {file} (-k) is not known to ")
    assert row["detail"].endswith(". Name another file, or leave -k out.")
    assert row["mend"] == "reflow doctor"


def test_revoked_key_of_a_service_account_is_replaced_by_an_admin(there, house, crew):
    key = crew.robot.key()
    there.environ |= {"REFLOW_SERVER": house.url, "REFLOW_API_KEY": key.secret}
    crew.robot.revoke(key)

    row = Report(there)["accepted"]

    assert "an Admin of the team creates another" in row["detail"]
    assert row["mend"] == f"open {house.url}/account/team"


def test_disabled_person_is_sent_to_support(here, listener):
    here.environ["REFLOW_API_KEY"] = secret = made_up_key()
    listener.says("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
    listener.refuses(secret, "account_disabled")

    row = Report(here)["accepted"]

    assert row["detail"].endswith("belongs to an account that is disabled. Contact support.")
    assert row["mend"] == f"open {listener.url}/help"


def test_file_in_place_of_the_folder_is_moved_before_a_login(there, live, ada):
    in_the_way = key_file(there.home / ".reflow", "precious")

    refused = there.run("login", "--with-token", stdin=ada.session)
    report = Report(there)

    assert refused.code == 1
    assert refused.stderr == (
        f"reflow: The login cannot be kept in {in_the_way}/session.json, because {in_the_way} is not a folder. "
        "Move it away, and run the command again.\n"
    )
    assert report.code == 4
    assert report["credential"]["detail"].endswith(f"; {in_the_way} is not a folder, so no login can be kept")
    command = f"mv {in_the_way} {in_the_way}.old"
    assert report["credential"]["mend"] == f"{command} && reflow login --server {live.url}"
    subprocess.run(command.split(), check=True)
    assert there.run("login", "--with-token", stdin=ada.session).code == 0
    assert in_the_way.with_name(".reflow.old").read_text() == "precious\n"


@pytest.mark.parametrize("names_server", [True, False])
def test_damaged_login_is_removed_before_the_next(terminal, live, names_server):
    file = key_file(terminal.home / ".reflow" / "session.json", "{")
    if names_server:
        terminal.environ["REFLOW_SERVER"] = live.url

    report = Report(terminal)

    mend = f"rm {file} && reflow login --server {live.url if names_server else 'https://HOST'}"
    assert report["credential"]["mend"] == report["place 5"]["mend"] == mend
    assert report["place 5"]["detail"] == f"{file} (reflow login) is damaged."


def test_login_names_a_server(terminal):
    assert Report(terminal)["credential"]["mend"] == "reflow login --server https://HOST"


@pytest.mark.parametrize("what", ["missing", "folder"])
@pytest.mark.parametrize("reachable", [True, False])
def test_missing_key_file_is_a_usage_error_as_elsewhere(well, what, reachable):
    if what == "folder":
        (well.folder / "given").mkdir()
    if not reachable:
        well.environ["REFLOW_SERVER"] = "http://127.0.0.1:9"

    report = Report(well, "-k", "given")

    assert report.code == well.run("-k", "given", "whoami").code == 2
    assert report["credential"]["mend"] == report["place 1"]["mend"] == "reflow doctor"
    assert report["credential"]["detail"].startswith(f"{well.folder}/given (-k) comes first, but")


def test_key_file_that_cannot_be_examined_is_reported(well):
    report = Report(well, "-k", "x" * 300)

    assert report.code == 2
    assert "cannot be read (File name too long). Name another" in report["place 1"]["detail"]


def test_missing_git_is_named(well, tmp_path):
    well.environ["PATH"] = str(tmp_path)

    row = Report(well)["git files"]

    assert row["detail"] == (
        f"git cannot be asked about {well.folder}: git is not installed or does not answer"
    )
    assert row["mend"] == "git --version"


def test_unreadable_repository_is_shown_with_its_status(keyed):
    git(keyed.folder, "init", "--quiet")
    (keyed.folder / ".git" / "config").write_text("[nonsense")

    row = Report(keyed)["git files"]

    assert row["detail"].endswith(f"{keyed.folder}: git does not read it")
    assert row["mend"] == f"git -C {keyed.folder} status"


def test_last_possible_end_is_shown(well, ada):
    ada.ask("PATCH", f"/keys/{well.key['id']}", {"expires_at": "9998-12-31T12:00:00Z"})

    report = Report(well)

    assert report["expiry"]["detail"] == "the key ends on 9998-12-31"
    assert report.code == 0


def test_named_key_file_is_rotated_where_it_is(well, ada):
    end = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    key = ada.new_key()
    ada.ask("PATCH", f"/keys/{key['id']}", {"expires_at": end})
    file = key_file(well.folder / "soon.key", key["secret"])
    (well.folder / ".gitignore").write_text("*.key\n")
    server = well.environ.pop("REFLOW_SERVER")

    row = Report(well, "-k", "soon.key", "--server", server)["expiry"]

    assert row["mend"] == f"reflow keys rotate {key['id']} -k soon.key --server {server}"
    assert well.run(*words_of(row["mend"])).code == 0
    assert file.read_text().strip() != key["secret"]


@pytest.mark.parametrize("place", ["repo", "home", "file", "variable"])
def test_admin_rotates_the_key_of_a_service_account(terminal, house, crew, place):
    crew.other_team()
    key = crew.robot.key(expires_at=datetime.now(UTC) + timedelta(days=1))
    file = {
        "repo": repository(terminal.folder) / "reflow.key",
        "home": terminal.home / ".reflow" / "api.key",
        "file": terminal.folder / "ci.key",
    }.get(place)
    if file:
        key_file(file, f"# server: {house.url}\n{key.secret}")
    else:
        terminal.environ |= {"REFLOW_API_KEY": key.secret, "REFLOW_SERVER": house.url}
    login(terminal.home, house.url, crew.admin.session())

    row = Report(terminal, *(["-k", "ci.key"] if place == "file" else []))["expiry"]

    assert "it belongs to a service account, so an Admin of the team rotates it" in row["detail"]
    outcome = terminal.run(*words_of(row["mend"]))
    assert outcome.code == 0, outcome.everything
    new = secret_in(file) if file else outcome.stdout.strip()
    assert new.startswith("rfk_")
    assert new != key.secret
