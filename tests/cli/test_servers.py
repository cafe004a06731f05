"""A credential and its server are a pair: where a key is sent, and when it is not sent at all (contract, section 8)."""

import os

import pytest

from tests.cli.account import unused_name
from tests.cli.doctor_report import Report
from tests.cli.folders import git, key_file, login, repository, secret_in
from tests.cli.listener import ME, Listener
from tests.cli.secrets_for_tests import made_up_key, made_up_session

SECRET = made_up_key()


def place_key(terminal, place: str, text: str) -> list[str]:
    """Put the text of a key file at `place`, and return the options that name it."""
    if place == "variable":
        terminal.environ["REFLOW_API_KEY"] = text
        return []
    if place == "repo":
        if not (terminal.folder / ".git").exists():
            repository(terminal.folder)
        key_file(terminal.folder / "reflow.key", text)
        return []
    if place == "home":
        key_file(terminal.home / ".reflow" / "api.key", text)
        return []
    return ["-k", str(key_file(terminal.folder / "given", text))]


PLACES = pytest.mark.parametrize("place", ["option", "variable", "repo", "home"])


@PLACES
def test_key_goes_to_the_server_of_its_file(terminal, listener, place):
    words = place_key(terminal, place, f"# server: {listener.url}\n{SECRET}")
    login(terminal.home, "http://127.0.0.1:9", made_up_session())

    outcome = terminal.run(*words, "whoami")

    assert outcome.code == 0, outcome.stderr
    assert listener.secrets == [SECRET]
    assert f"Server\t{listener.url}\n" in outcome.stdout


@PLACES
@pytest.mark.parametrize("named_by", ["--server", "REFLOW_SERVER"])
def test_other_server_is_refused_with_both_names(terminal, listener, place, named_by):
    words = place_key(terminal, place, f"# server: https://a.example\n{SECRET}")
    if named_by == "--server":
        words += ["--server", listener.url]
    else:
        terminal.environ["REFLOW_SERVER"] = listener.url

    outcome = terminal.run(*words, "whoami")

    assert outcome.code == 2
    assert listener.requests == []
    for name in ("https://a.example", listener.url, named_by):
        assert name in outcome.stderr
    assert SECRET[4:] not in outcome.output


@pytest.mark.parametrize("line", ["# server: {}", "#server:{}/", "  # Server : {}", "# SERVER: {}///"])
def test_same_server_in_another_spelling_is_no_contradiction(listener_terminal, listener, line):
    text = f"# of our CI\n{line.format(listener.url.replace('http', 'HTTP'))}\n\n{SECRET}"
    listener_terminal.environ["REFLOW_API_KEY"] = text

    assert listener_terminal.run("whoami").code == 0
    assert listener.secrets == [SECRET]


@pytest.mark.parametrize(
    "lines", ["# server:", "# server: nonsense", "# server: https://a.example\n# server: https://b.example"]
)
def test_unclear_server_line_is_an_error(listener_terminal, listener, lines):
    listener_terminal.environ["REFLOW_API_KEY"] = f"{lines}\n{SECRET}"

    outcome = listener_terminal.run("whoami")

    assert outcome.code == 4
    assert "server" in outcome.stderr
    assert listener.requests == []


@pytest.mark.parametrize("line_end", [" ", "\\n", "\\r\\n", ""])
def test_lost_line_ends_of_a_key_file_are_named(listener_terminal, listener, line_end):
    lines = ("# Reflow API key of Ada", f"# server: {listener.url}", SECRET, "")
    listener_terminal.environ["REFLOW_API_KEY"] = line_end.join(lines)

    outcome = listener_terminal.run("whoami")

    assert (outcome.code, listener.requests) == (4, [])
    assert outcome.stderr == (
        "reflow: REFLOW_API_KEY (environment variable) holds a key file without its line ends: "
        "keep the line ends, or set only the key. Correct it, or unset REFLOW_API_KEY and run reflow login.\n"
    )


def test_commented_key_is_no_key(listener_terminal):
    listener_terminal.environ["REFLOW_API_KEY"] = f"# {SECRET}"
    assert "holds no key" in listener_terminal.run("whoami").stderr


@pytest.mark.parametrize("logins", [0, 1, 2])
def test_key_without_a_server_goes_to_the_only_login(terminal, listener, logins):
    terminal.environ["REFLOW_API_KEY"] = SECRET
    file = login(terminal.home, listener.url, made_up_session()) if logins else None
    if logins == 2:
        text = file.read_text().replace(
            '"sessions": {', '"sessions": {"https://b.example": {"secret": "x"}, '
        )
        key_file(file, text)

    outcome = terminal.run("whoami")

    assert outcome.code == (0 if logins == 1 else 2)
    assert listener.secrets == ([SECRET] if logins == 1 else [])
    if logins != 1:
        for way in ("--server", "REFLOW_SERVER", "# server:", "reflow login --server"):
            assert way in outcome.stderr
    assert ("https://b.example" in outcome.stderr) is (logins == 2)


@pytest.mark.parametrize("words", [("login", "--email", "a@b.example"), ("logout",)])
def test_login_needs_the_name_of_a_server(terminal, words):
    outcome = terminal.run(*words, stdin="password\n")

    assert outcome.code == 2
    assert "--server https://HOST" in outcome.stderr


@pytest.mark.parametrize("words", [("whoami",), ("login", "--email", "a@b.example"), ("keys", "create", "x")])
def test_plain_http_to_another_machine_needs_permission(terminal, words):
    terminal.environ |= {"REFLOW_SERVER": "http://reflow.invalid", "REFLOW_API_KEY": SECRET}

    terminal.environ["REFLOW_INSECURE"] = "0"
    refused = terminal.run(*words, stdin="password\n")
    allowed = [terminal.run("--insecure", *words, stdin="password\n")]
    terminal.environ["REFLOW_INSECURE"] = "1"
    allowed.append(terminal.run(*words, stdin="password\n"))

    assert refused.code == 2
    assert "--insecure" in refused.stderr
    assert [outcome.code for outcome in allowed] == [7, 7]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
@pytest.mark.parametrize("place", ["option", "repo", "home"])
def test_file_of_another_user_is_refused_unless_named(listener_terminal, listener, place):
    words = place_key(listener_terminal, place, SECRET)
    file = {
        "option": listener_terminal.folder / "given",
        "repo": listener_terminal.folder / "reflow.key",
        "home": listener_terminal.home / ".reflow" / "api.key",
    }[place]
    os.chown(file, 12345, 12345)

    outcome = listener_terminal.run(*words, "whoami")

    assert outcome.code == (0 if place == "option" else 4)
    assert listener.secrets == ([SECRET] if place == "option" else [])
    if place != "option":
        assert f"{file} " in outcome.stderr
        assert "belongs to another user" in outcome.stderr
        assert f"-k {file}" in outcome.stderr
        assert listener_terminal.run("-k", str(file), "whoami").code == 0


@pytest.mark.parametrize("place", ["login", "home", "repo", "env"])
@pytest.mark.parametrize("is_there", [True, False])
def test_as_takes_the_credential_of_one_place(listener_terminal, listener, place, is_there):
    secrets = {name: made_up_key() for name in ("env", "repo", "home")} | {"login": made_up_session()}
    if not is_there:
        del secrets[place]
    for name, secret in secrets.items():
        if name == "login":
            login(listener_terminal.home, listener.url, secret)
        else:
            place_key(listener_terminal, "variable" if name == "env" else name, secret)

    outcome = listener_terminal.run("--as", place, "whoami")

    assert outcome.code == (0 if is_there else 4)
    assert listener.secrets == ([secrets[place]] if is_there else [])
    assert is_there or f"--as {place}" in outcome.stderr


def test_as_another_place_starts_no_login(listener_terminal):
    outcome = listener_terminal.run_interactively("--as", "home", "whoami")
    assert (outcome.code, "Your code" in outcome.stdout) == (4, False)
    assert "--as home" in outcome.stdout


def test_as_contradicts_a_key_file(listener_terminal):
    assert listener_terminal.run("--as", "home", "-k", "x", "whoami").code == 2


@pytest.mark.parametrize("marker", [{"CI": "true"}, {"JENKINS_URL": "https://ci.example"}])
@pytest.mark.parametrize("value", ["", " \n"])
def test_empty_secret_in_ci_is_missing(listener_terminal, listener, marker, value):
    key_file(listener_terminal.home / ".reflow" / "api.key", SECRET)
    listener_terminal.environ |= {"REFLOW_API_KEY": value, **marker}

    outcome = listener_terminal.run("whoami")

    assert outcome.code == 4
    assert "REFLOW_API_KEY is set but empty: the secret is missing" in outcome.stderr
    assert listener.requests == []


def test_linked_worktree_hears_of_the_key_of_the_main_checkout(listener_terminal, listener):
    main = repository(listener_terminal.folder / "main")
    key_file(main / "reflow.key", SECRET)
    git(main, "worktree", "add", "--quiet", str(listener_terminal.folder / "side"))
    listener_terminal.folder = listener_terminal.folder / "side"

    outcome = listener_terminal.run("whoami")

    assert outcome.code == 4
    assert f"cp -p {main}/reflow.key {listener_terminal.folder}/reflow.key" in outcome.stderr
    assert listener.requests == []


@pytest.mark.parametrize("old", ["revoked", "damaged", "of another server"])
def test_unusable_key_can_be_replaced(live_terminal, ada, live, old):
    repository(live_terminal.folder)
    key = ada.new_key()
    ada.revoke(key)
    text = {"damaged": "nonsense", "revoked": key["secret"]}.get(
        old, f"# server: https://a.example\n{SECRET}"
    )
    file = key_file(live_terminal.folder / "reflow.key", text)
    words = ("keys", "create", unused_name(), "--save", "repo", "--force")

    alone = live_terminal.run(*words)
    login(live_terminal.home, live.url, ada.session)
    outcome = live_terminal.run(*words)

    assert alone.code == (2 if "server" in old else 4)
    assert outcome.code == 0, outcome.stderr
    assert file.read_text() == f"# server: {live.url}\n{secret_in(file)}\n"
    assert live_terminal.run("whoami").code == 0


def test_doctor_tries_no_key_of_another_server(terminal, listener):
    other = Listener()
    listener.respond("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
    listener.respond_to(SECRET, "GET", "/me", ME)
    place_key(terminal, "variable", f"# server: {listener.url}\n{SECRET}")
    place_key(terminal, "home", f"# server: {other.url}\n{made_up_key()}")
    place_key(terminal, "repo", made_up_key())

    report = Report(terminal)
    other.close()

    assert report["server"]["detail"] == f"{listener.url}, from REFLOW_API_KEY"
    assert set(listener.secrets) == {"", SECRET}
    assert other.requests == []
    assert (report["place 3"]["state"], report["place 4"]["state"]) == ("ok", "ok")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "/reflow.key\n"),
        ("reflow.key\n", "reflow.key\n"),
        ("reflow.key\n!reflow.key\n", "reflow.key\n!reflow.key\n/reflow.key\n"),
    ],
)
@pytest.mark.parametrize("fault", ["git is not installed", "dubious ownership"])
def test_rule_is_written_when_git_cannot_be_asked(keyed_terminal, tmp_path, fault, before, after):
    git(keyed_terminal.folder, "init", "--quiet")
    (keyed_terminal.folder / ".gitignore").write_text(before)
    keyed_terminal.environ |= (
        {"PATH": str(tmp_path)} if "not" in fault else {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    )

    outcome = keyed_terminal.run("keys", "create", unused_name(), "--save", "repo", "--yes")

    assert outcome.code == 0, outcome.stderr
    assert (keyed_terminal.folder / ".gitignore").read_text() == after
    assert fault in outcome.stderr
