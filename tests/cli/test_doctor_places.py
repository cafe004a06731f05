"""`reflow doctor` and the places where a credential may be: what each holds, and who may read it."""

import os

import pytest

from tests.cli.folders import key_file, login
from tests.cli.report import Report
from tests.cli.secrets_for_tests import made_up_key, made_up_session


def test_what_wins_and_what_it_hides_is_told(well, ada):
    well.environ["REFLOW_API_KEY"] = ada.new_key()["secret"]
    login(well.home, well.environ["REFLOW_SERVER"], ada.session)

    report = Report(well)

    assert report["credential"]["detail"] == (
        f"the key in REFLOW_API_KEY (environment variable) is used: the first of the places that has one; it hides "
        f"the key in {well.file} (home folder), the login at {well.environ['REFLOW_SERVER']}"
    )
    assert "holds a login" in report["place 5"]["detail"]
    assert report.code == 0


BAD = {
    "cut off": made_up_key()[:-3],
    "nothing": "",
    "login": made_up_session(),
    "two": f"{made_up_key()}\n{made_up_key()}",
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_a_place_that_holds_no_whole_key_is_an_error_when_it_wins(well, place, content):
    if place == 2 and not content:
        content = "\n"
    words = put(well, place, content)

    report = Report(well, *words)

    assert report.code == 4
    assert report[f"place {place}"]["state"] == "error"
    assert report["credential"]["state"] == "error"


@pytest.mark.parametrize("place", [3, 4])
def test_and_a_warning_when_another_one_comes_before_it(well, ada, place):
    well.environ["REFLOW_API_KEY"] = ada.new_key()["secret"]
    put(well, place, "nonsense")

    report = Report(well)

    assert (report.code, report.bad) == (1, [(f"place {place}", "warning")])


def put(terminal, place: int, content: str) -> tuple[str, ...]:
    if place == 2:
        terminal.environ["REFLOW_API_KEY"] = content
        return ()
    files = {1: terminal.folder / "given", 3: terminal.folder / "reflow.key", 4: terminal.file}
    key_file(files[place], content)
    return ("-k", "given") if place == 1 else ()


def test_places_that_are_absent_or_of_another_kind(well):
    (well.folder / "reflow.key").mkdir()
    report = Report(well, "-k", "nowhere")

    assert report.code == 4
    assert "it does not exist" in report["place 1"]["detail"]
    assert "is a folder" in report["place 3"]["detail"]
    assert report["place 2"]["detail"] == "REFLOW_API_KEY is not set"


def test_a_damaged_login_is_an_error_that_is_mended(terminal, live):
    key_file(terminal.home / ".reflow" / "session.json", "{")
    terminal.environ["REFLOW_SERVER"] = live.url
    assert Report(terminal)["place 5"]["state"] == "error"
    del terminal.environ["REFLOW_SERVER"]
    report = Report(terminal)
    assert report["server"]["state"] == "error"
    report.mend(terminal, "server")
    assert not (terminal.home / ".reflow" / "session.json").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602, 0o666])
@pytest.mark.parametrize("what", ["home", "repo", "option", "session", "folder"])
def test_what_is_open_to_others_is_a_warning_and_mended(well, ada, what, mode):
    login(well.home, well.environ["REFLOW_SERVER"], ada.session)
    files = {
        "home": well.file,
        "repo": well.folder / "reflow.key",
        "option": well.folder / "given",
        "session": well.home / ".reflow" / "session.json",
        "folder": well.home / ".reflow",
    }
    if what in ("repo", "option"):
        key_file(files[what], well.key["secret"])
    words = ("-k", "given") if what == "option" else ()
    (well.folder / ".gitignore").write_text("*\n")
    files[what].chmod(mode | (0o100 if what == "folder" else 0))

    report = Report(well, *words)

    assert (report.code, report.bad) == (1, [("mode", "warning")])
    report.mend(well, "mode")
    assert Report(well, *words).code == 0


def test_what_a_killed_command_left_is_a_warning_and_mended(well):
    key_file(well.folder / ".reflow.key.0a1b2c3d", well.key["secret"])
    (well.folder / ".gitignore").write_text("*\n")

    report = Report(well)

    assert report.bad == [("left over", "warning")]
    report.mend(well, "left over")
    assert Report(well).code == 0


def test_no_secret_of_a_bad_file_is_repeated(well):
    secret = made_up_key()
    put(well, 3, f"password = {secret[:40]}")
    text = Report(well).text
    assert secret[4:20] not in text
    assert os.fspath(well.folder) in text
