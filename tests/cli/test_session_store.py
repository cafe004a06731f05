"""The session file: private, written atomically, never lost."""

import json
import stat

import pytest

from tests.cli.folders import key_file, login
from tests.cli.secrets_for_tests import made_up_key, made_up_session

USER = {"id": "usr_1", "name": "Ada Park", "email": "ada@acme.example"}
LOGIN = ("login", "--with-password", "--email", "ada@acme.example")
PASSWORD = "correct horse battery"


@pytest.fixture
def session(listener):
    answer = {"id": "ses_1", "secret": made_up_session(), "expires_at": "2027-01-01T00:00:00Z", "user": USER}
    listener.respond("POST", "/sessions", answer, 201)
    listener.respond_raw("DELETE", "/sessions/current", b"", 204)
    return answer


def _file(terminal):
    return terminal.home / ".reflow" / "session.json"


def _mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_file_and_folder_are_private(listener_terminal, session, umask):
    outcome = listener_terminal.run(*LOGIN, stdin=f"{PASSWORD}\n", umask=umask)

    assert outcome.code == 0, outcome.stderr
    assert _mode(_file(listener_terminal)) == 0o600
    assert _mode(_file(listener_terminal).parent) == 0o700
    lock = _file(listener_terminal).with_suffix(".lock")
    assert sorted(_file(listener_terminal).parent.iterdir()) == [_file(listener_terminal), lock]
    assert (_mode(lock), lock.read_bytes()) == (0o600, b"")
    assert session["secret"] not in outcome.output
    assert PASSWORD not in outcome.output


@pytest.mark.parametrize("mode", [0o750, 0o705])
def test_open_folder_is_made_private(listener_terminal, session, mode):
    _file(listener_terminal).parent.mkdir(mode=mode)

    listener_terminal.run(*LOGIN, stdin=PASSWORD)

    assert _mode(_file(listener_terminal).parent) == 0o700


def test_stored_login_names_person_and_server(listener_terminal, listener, session):
    listener_terminal.run(*LOGIN, stdin=PASSWORD)

    content = json.loads(_file(listener_terminal).read_text())
    kept = content["sessions"][listener.url]
    assert (kept["secret"], kept["name"], kept["email"]) == (session["secret"], USER["name"], USER["email"])
    assert kept["created_at"].endswith("+00:00")


def test_each_server_has_its_own_login(listener_terminal, listener, session):
    login(listener_terminal.home, "https://elsewhere.example", other := made_up_session())

    listener_terminal.run(*LOGIN, stdin=PASSWORD)

    content = json.loads(_file(listener_terminal).read_text())
    assert content["sessions"]["https://elsewhere.example"]["secret"] == other
    assert listener_terminal.run("logout").code == 0
    content = json.loads(_file(listener_terminal).read_text())
    assert list(content["sessions"]) == ["https://elsewhere.example"]


def test_second_login_ends_the_first(listener_terminal, listener, session):
    login(listener_terminal.home, listener.url, first := made_up_session())

    listener_terminal.run(*LOGIN, stdin=PASSWORD)

    assert listener.requests[-1]["method"] == "DELETE"
    assert listener.secrets[-1] == first
    assert session["secret"] in _file(listener_terminal).read_text()


DAMAGED = {
    "nothing": b"",
    "cut off": b'{"server": "http',
    "no JSON": b"\xff\xfe\x00",
    "a list": b"[]",
    "no sessions": b"{}",
    "odd sessions": b'{"sessions": []}',
    "a deep nest": b"[" * 20_000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
@pytest.mark.parametrize("words", [("whoami",), LOGIN, ("logout",)], ids=lambda words: words[0])
def test_damaged_file_is_named_and_left_alone(listener_terminal, listener, content, words):
    key_file(_file(listener_terminal), content)

    outcome = listener_terminal.run(*words, stdin=PASSWORD)

    assert outcome.code == 4
    assert f"{_file(listener_terminal)} (reflow login) is damaged" in outcome.stderr
    assert f"rm {_file(listener_terminal)}" in outcome.stderr
    assert _file(listener_terminal).read_bytes() == content
    assert listener.requests == []


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_file_does_not_stop_a_key(listener_terminal, listener, content):
    key_file(_file(listener_terminal), content)
    listener_terminal.environ["REFLOW_API_KEY"] = (secret := made_up_key())

    outcome = listener_terminal.run("whoami")

    assert outcome.code == 0, outcome.stderr
    assert listener.secrets == [secret]


@pytest.mark.parametrize("content", [b"{", b"[]"])
def test_damaged_server_file_prevents_sending_a_key(terminal, content):
    key_file(_file(terminal), content)
    terminal.environ["REFLOW_API_KEY"] = made_up_key()

    outcome = terminal.run("whoami")

    assert outcome.code == 4
    assert "is damaged" in outcome.stderr


@pytest.mark.parametrize(
    "secret", ["", "rfs_short", None, made_up_session()[:-1]], ids=["empty", "short", "none", "cut off"]
)
def test_malformed_session_is_not_sent(listener_terminal, listener, secret):
    login(listener_terminal.home, listener.url, secret)

    outcome = listener_terminal.run("whoami")

    assert outcome.code == 4
    assert "is damaged" in outcome.stderr
    assert listener.requests == []


@pytest.mark.parametrize("obstacle", ["a file for the folder", "a folder for the file"])
def test_login_fails_where_it_cannot_be_stored(listener_terminal, listener, session, obstacle):
    if obstacle == "a file for the folder":
        (listener_terminal.home / ".reflow").write_text("")
    else:
        _file(listener_terminal).mkdir(parents=True)

    outcome = listener_terminal.run(*LOGIN, stdin=PASSWORD)

    assert outcome.code in (1, 4)
    assert str(_file(listener_terminal)) in outcome.stderr
    assert not [request for request in listener.requests if request["method"] == "POST"]


@pytest.mark.parametrize("home", [None, "relative"])
def test_login_without_a_home_folder_is_explained(listener_terminal, listener, session, home):
    del listener_terminal.environ["HOME"]
    if home:
        listener_terminal.environ["HOME"] = home

    outcome = listener_terminal.run(*LOGIN, stdin=PASSWORD)

    assert outcome.code == 1
    assert "Set HOME" in outcome.stderr
    assert listener.requests == []


@pytest.mark.parametrize(
    "stdin", [b"", b"\n", b"\xff\xfe\n", b"x" * 70_000], ids=["none", "empty", "no text", "endless"]
)
def test_missing_password_is_not_sent(listener_terminal, listener, session, stdin):
    outcome = listener_terminal.run(*LOGIN, stdin=stdin)

    assert outcome.code == 2
    assert listener.requests == []


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nmore\n"])
def test_password_is_one_line_exactly_as_typed(listener_terminal, listener, session, end):
    listener_terminal.run(*LOGIN, stdin=f"  pass wörd {end}")

    assert json.loads(listener.requests[0]["body"])["password"] == "  pass wörd "


def test_script_login_needs_the_email(listener_terminal, listener):
    outcome = listener_terminal.run("login", stdin="secret\n")

    assert outcome.code == 2
    assert "--email" in outcome.stderr
    assert listener.requests == []


@pytest.mark.parametrize(
    "answer", [{}, {"secret": "x"}, {"secret": made_up_key()}, {"secret": None}, {"secret": 5}]
)
def test_answer_without_a_session_is_not_stored(listener_terminal, listener, answer):
    listener.respond("POST", "/sessions", answer, 201)

    assert listener_terminal.run(*LOGIN, stdin=PASSWORD).code == 7
    assert not _file(listener_terminal).exists()


@pytest.mark.parametrize("user", [None, [], {"name": "a\x1b[2J\nb"}])
def test_unusual_user_causes_no_error(listener_terminal, listener, session, user):
    listener.respond("POST", "/sessions", {**session, "user": user}, 201)

    outcome = listener_terminal.run(*LOGIN, stdin=PASSWORD)

    assert outcome.code == 0, outcome.stderr
    assert "\x1b" not in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


def test_login_prints_json_without_the_secret(listener_terminal, session):
    outcome = listener_terminal.run("--json", *LOGIN, stdin=PASSWORD)

    assert json.loads(outcome.stdout)["user"] == USER
    assert session["secret"] not in outcome.output


def test_login_says_when_a_key_comes_first(listener_terminal, session):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()

    outcome = listener_terminal.run(*LOGIN, stdin=PASSWORD)

    assert "Commands use the key in REFLOW_API_KEY (environment variable)" in outcome.stderr
