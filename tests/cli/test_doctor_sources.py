"""`reflow doctor` and the sources of a credential: their content and who may read them."""

import os

import pytest

from tests.cli.account import Account
from tests.cli.doctor_report import Report
from tests.cli.folders import key_file, login
from tests.cli.listener import ME
from tests.cli.secrets_for_tests import made_up_key, made_up_session


def test_winning_and_hidden_credentials_are_shown(configured_terminal, ada):
    configured_terminal.environ["REFLOW_API_KEY"] = ada.new_key()["secret"]
    login(configured_terminal.home, configured_terminal.environ["REFLOW_SERVER"], ada.session)

    report = Report(configured_terminal)

    assert report["credential"]["detail"] == (
        f"the key in REFLOW_API_KEY (environment variable) is used: the first of the places that has one; it hides "
        f"the key in {configured_terminal.file} (home folder), "
        f"the login at {configured_terminal.environ['REFLOW_SERVER']}"
    )
    assert "holds a login" in report["place 5"]["detail"]
    assert report.code == 0


def test_refused_hidden_credential_is_a_warning(configured_terminal, ada, live):
    configured_terminal.environ["REFLOW_API_KEY"] = ada.new_key()["secret"]
    ada.revoke(configured_terminal.key)
    ended = Account(live.url, ada.email)
    login(configured_terminal.home, live.url, ended.session)
    assert ended.ask("DELETE", "/sessions/current")[0] == 204

    report = Report(configured_terminal)

    assert (report.code, report.problems) == (1, [("place 4", "warning"), ("place 5", "warning")])
    assert report["place 4"]["detail"] == f"the key in {configured_terminal.file} (home folder) was revoked."
    assert report["place 4"]["fix"] == f"rm {configured_terminal.file}"
    assert report["place 5"]["detail"] == f"the login at {live.url} has ended."
    assert report["place 5"]["fix"] == f"reflow login --server {live.url}"
    report.fix(configured_terminal, "place 4")
    assert Report(configured_terminal).problems == [("place 5", "warning")]


def test_each_credential_is_used_once(configured_terminal, ada):
    chosen = ada.new_key()
    configured_terminal.environ["REFLOW_API_KEY"] = chosen["secret"]
    login(configured_terminal.home, configured_terminal.environ["REFLOW_SERVER"], ada.session)
    key_file(configured_terminal.folder / "reflow.key", chosen["secret"])

    report = Report(configured_terminal)

    assert (report.code, report.problems) == (0, [])
    assert report["place 3"]["detail"].endswith("holds the same key as the one used")
    for place in ("place 4", "place 5"):
        assert "it is accepted" in report[place]["detail"]
    assert ada.ask("GET", f"/keys/{configured_terminal.key['id']}")[1]["use_count"] == 1
    # Who it is, and when it ends.
    assert ada.ask("GET", f"/keys/{chosen['id']}")[1]["use_count"] == 2


def test_hidden_credential_is_not_sent_to_other_servers(listener_terminal, listener):
    listener.respond_raw("GET", "/me", b"<h1>Sign in to the hotel</h1>")
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    key_file(listener_terminal.home / ".reflow" / "api.key", made_up_key())

    assert Report(listener_terminal).code == 7
    assert listener.secrets == [""]


def test_untested_hidden_credential_is_a_warning(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    file = key_file(listener_terminal.home / ".reflow" / "api.key", hidden := made_up_key())
    listener.respond("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
    listener.respond_to(listener_terminal.environ["REFLOW_API_KEY"], "GET", "/me", ME)
    listener.respond_to(hidden, "GET", "/me", ["odd"])

    report = Report(listener_terminal)

    assert report["place 4"]["state"] == "warning"
    assert report["place 4"]["detail"].startswith(
        f"{file} (home folder) holds a whole key, which could not be"
    )


def test_hidden_key_without_a_subscription_is_not_warned_of(terminal, team_server, members):
    used, hidden = members.admin.key().secret, members.admin.key().secret
    terminal.environ |= {"REFLOW_SERVER": team_server.url, "REFLOW_API_KEY": used}
    key_file(terminal.home / ".reflow" / "api.key", hidden)
    members.team.unsubscribe()

    report = Report(terminal)

    assert report["place 4"]["state"] == "ok"
    assert report["place 4"]["detail"].endswith("the server knows it, but no subscription is active")


BAD = {
    "cut off": made_up_key()[:-3],
    "nothing": "",
    "login": made_up_session(),
    "two": f"{made_up_key()}\n{made_up_key()}",
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_winning_source_without_a_key_is_an_error(configured_terminal, place, content):
    if place == 2 and not content:
        content = "\n"
    if place == 2 and content == BAD["login"]:  # which the variable may hold (reflow exec)
        content = content[:-1]
    words = put(configured_terminal, place, content)

    report = Report(configured_terminal, *words)

    assert report.code == 4
    assert report[f"place {place}"]["state"] == "error"
    assert report["credential"]["state"] == "error"


@pytest.mark.parametrize("place", [3, 4])
def test_hidden_source_without_a_key_is_a_warning(configured_terminal, ada, place):
    configured_terminal.environ["REFLOW_API_KEY"] = ada.new_key()["secret"]
    put(configured_terminal, place, "nonsense")

    report = Report(configured_terminal)

    assert (report.code, report.problems) == (1, [(f"place {place}", "warning")])


def put(terminal, place: int, content: str) -> tuple[str, ...]:
    if place == 2:
        terminal.environ["REFLOW_API_KEY"] = content
        return ()
    files = {1: terminal.folder / "given", 3: terminal.folder / "reflow.key", 4: terminal.file}
    key_file(files[place], content)
    return ("-k", "given") if place == 1 else ()


def test_missing_and_unusual_sources_are_reported(configured_terminal):
    (configured_terminal.folder / "reflow.key").mkdir()
    report = Report(configured_terminal, "-k", "nowhere")

    assert report.code == 2
    assert "it does not exist" in report["place 1"]["detail"]
    assert "is a folder" in report["place 3"]["detail"]
    assert report["place 2"]["detail"] == "REFLOW_API_KEY is not set"


def test_damaged_login_is_an_error_and_fixed(terminal, live):
    key_file(terminal.home / ".reflow" / "session.json", "{")
    terminal.environ["REFLOW_SERVER"] = live.url
    assert Report(terminal)["place 5"]["state"] == "error"
    del terminal.environ["REFLOW_SERVER"]
    report = Report(terminal)
    assert report["server"]["state"] == "error"
    report.fix(terminal, "server")
    assert not (terminal.home / ".reflow" / "session.json").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602, 0o666])
@pytest.mark.parametrize("what", ["home", "repo", "option", "session", "folder"])
def test_file_open_to_others_is_warned_of_and_fixed(configured_terminal, ada, what, mode):
    login(configured_terminal.home, configured_terminal.environ["REFLOW_SERVER"], ada.session)
    files = {
        "home": configured_terminal.file,
        "repo": configured_terminal.folder / "reflow.key",
        "option": configured_terminal.folder / "given",
        "session": configured_terminal.home / ".reflow" / "session.json",
        "folder": configured_terminal.home / ".reflow",
    }
    if what in ("repo", "option"):
        key_file(files[what], configured_terminal.key["secret"])
    words = ("-k", "given") if what == "option" else ()
    (configured_terminal.folder / ".gitignore").write_text("*\n")
    files[what].chmod(mode | (0o100 if what == "folder" else 0))

    report = Report(configured_terminal, *words)

    assert (report.code, report.problems) == (1, [("mode", "warning")])
    report.fix(configured_terminal, "mode")
    assert Report(configured_terminal, *words).code == 0


def test_leftover_of_a_killed_command_is_warned_of_and_fixed(configured_terminal):
    key_file(configured_terminal.folder / ".reflow.key.0a1b2c3d", configured_terminal.key["secret"])
    (configured_terminal.folder / ".gitignore").write_text("*\n")

    report = Report(configured_terminal)

    assert report.problems == [("left over", "warning")]
    report.fix(configured_terminal, "left over")
    assert Report(configured_terminal).code == 0


def test_secret_of_a_bad_file_is_not_repeated(configured_terminal):
    secret = made_up_key()
    put(configured_terminal, 3, f"password = {secret[:40]}")
    text = Report(configured_terminal).text
    assert secret[4:20] not in text
    assert os.fspath(configured_terminal.folder) in text
