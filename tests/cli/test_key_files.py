"""What a key file may contain; errors never repeat its content."""

import os

import pytest

from tests.cli.folders import key_file, login, repository
from tests.cli.secrets_for_tests import made_up_key, made_up_session

SECRET = made_up_key()
OTHER = made_up_key()

GOOD = {
    "one line": f"{SECRET}\n",
    "no line end": SECRET,
    "windows": f"\r\n{SECRET}\r\n",
    "byte order mark": f"\ufeff{SECRET}\n",
    "comments": f"# the key of our CI\n\n  # {OTHER}\n\n{SECRET}\n\n",
    "blanks around": f"  \t{SECRET} \n",
    "powershell": f"{SECRET}\r\n".encode("utf-16"),
}

BAD = {
    "nothing": b"",
    "blank lines": b"\n \n\t\n",
    "comments alone": f"# {SECRET}\n".encode(),
    "two secrets": f"{SECRET}\n{OTHER}\n".encode(),
    "the same secret twice": f"{SECRET}\n{SECRET}\n".encode(),
    "two on a line": f"{SECRET} {OTHER}\n".encode(),
    "cut off": SECRET[:-1].encode(),
    "cut off at the start": SECRET[1:].encode(),
    "mistyped": (SECRET[:10] + ("a" if SECRET[10] != "a" else "b") + SECRET[11:]).encode(),
    "an assignment": f"REFLOW_API_KEY={SECRET}\n".encode(),
    "quoted": f'"{SECRET}"\n'.encode(),
    "the secret of a login": made_up_session().encode(),
    "binary": b"\x00\x01\xfe" + SECRET.encode(),
    "not UTF-8": b"\xff\xf0" + SECRET.encode(),
    "NUL": f"{SECRET}\0\n".encode(),
    "half a UTF-16 character": b"\xff\xfeA",
    "too large": f"{SECRET}\n".encode() + b"#" * 70_000,
    "other words": b"correct horse battery staple\n",
}


def leaks(outcome) -> bool:
    """Whether any part of a secret or of a bad file's content is in the output."""
    parts = [SECRET[4:20], OTHER[4:20], SECRET[-20:], "battery"]
    return any(part in outcome.output for part in parts)


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD.keys())
def test_file_with_one_secret_is_read(listener_terminal, listener, content):
    file = key_file(
        listener_terminal.folder / "my.key", content if isinstance(content, bytes) else content.encode()
    )

    outcome = listener_terminal.run("-k", "my.key", "whoami")

    assert outcome.code == 0, outcome.stderr
    assert listener.secrets == [SECRET]
    assert str(file) in outcome.stdout


CASES = [("option", name) for name in BAD]
CASES += [
    (place, name) for place in ("repo", "home") for name in ("nothing", "two secrets", "cut off", "binary")
]
CASES += [("variable", name) for name in ("blank lines", "two secrets", "cut off")]


@pytest.mark.parametrize(("place", "name"), CASES)
def test_other_content_is_refused_and_not_repeated(listener_terminal, listener, place, name):
    content = BAD[name]
    words, where = _put(listener_terminal, place, content)
    login(listener_terminal.home, listener.url, made_up_session())

    outcome = listener_terminal.run(*words, "whoami")

    assert outcome.code == 4, outcome.output
    assert listener.requests == []
    assert where in outcome.stderr
    assert outcome.stdout == ""
    assert not leaks(outcome)


MORE = "holds more than a key, such as quotation marks or a name: leave only the key."


@pytest.mark.parametrize("form", ['"{}"', "REFLOW_API_KEY={}", "{} # CI", "{}."])
def test_key_among_other_characters_is_not_called_mistyped(listener_terminal, form):
    text = form.format(SECRET)
    file = key_file(listener_terminal.folder / "my.key", text.encode())
    option = listener_terminal.run("-k", "my.key", "whoami")
    assert f"{file} (-k) {MORE} Correct it, or remove it and run reflow login." in option.stderr

    listener_terminal.environ["REFLOW_API_KEY"] = text
    variable = listener_terminal.run("whoami")
    told = f"REFLOW_API_KEY (environment variable) {MORE} Correct it, or unset REFLOW_API_KEY and run reflow login."
    assert (variable.code, told in variable.stderr) == (4, True)
    assert not leaks(variable)
    assert not leaks(option)


def _put(listener_terminal, place: str, content: bytes) -> tuple[list[str], str]:
    if place == "variable":
        listener_terminal.environ["REFLOW_API_KEY"] = os.fsdecode(content)
        return [], "REFLOW_API_KEY"
    if place == "repo":
        return [], str(key_file(repository(listener_terminal.folder) / "reflow.key", content))
    path = (
        listener_terminal.home / ".reflow" / "api.key"
        if place == "home"
        else listener_terminal.folder / "given"
    )
    key_file(path, content)
    return (["-k", str(path)] if place == "option" else []), str(path)


@pytest.mark.parametrize("name", ["missing", "folder", "", "missing/deeper", "dangling"])
def test_missing_file_after_k_is_a_usage_error(listener_terminal, listener, name):
    (listener_terminal.folder / "folder").mkdir()
    (listener_terminal.folder / "dangling").symlink_to("nowhere")
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()

    outcome = listener_terminal.run("-k", name, "whoami")

    assert outcome.code == 2
    assert listener.requests == []
    assert str(listener_terminal.folder / name) in outcome.stderr
    assert "Name another file, or leave -k out." in outcome.stderr


@pytest.mark.parametrize("kind", ["folder", "dangling link", "pipe"])
@pytest.mark.parametrize("place", ["repo", "home"])
def test_special_file_is_refused(listener_terminal, listener, place, kind):
    path = (
        repository(listener_terminal.folder) / "reflow.key"
        if place == "repo"
        else listener_terminal.home / ".reflow" / "api.key"
    )
    path.parent.mkdir(exist_ok=True)
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "dangling link": lambda: path.symlink_to("no")}[
        kind
    ]()
    login(listener_terminal.home, listener.url, made_up_session())

    outcome = listener_terminal.run("whoami")

    assert outcome.code == 4
    assert str(path) in outcome.stderr
    assert listener.requests == []


def test_unreadable_file_is_named(listener_terminal):
    path = key_file(listener_terminal.folder / "locked", SECRET, mode=0)
    # Root reads everything, unless it gives that power away.
    as_anybody = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()

    outcome = listener_terminal.run("-k", str(path), "whoami", through=as_anybody)

    assert outcome.code == 2
    assert "Permission denied" in outcome.stderr


def test_folder_that_cannot_be_examined_is_named(listener_terminal, listener):
    (listener_terminal.home / ".reflow").symlink_to(".reflow")
    outcome = listener_terminal.run("whoami")
    assert (outcome.code, listener.secrets) == (4, [])
    assert f"{listener_terminal.home}/.reflow/api.key (home folder) cannot be read" in outcome.stderr


def test_pipe_after_k_is_read(listener_terminal, listener):
    (listener_terminal.folder / "pipe").symlink_to("/dev/stdin")

    assert listener_terminal.run("-k", "pipe", "whoami", stdin=f"{SECRET}\n").code == 0
    assert listener.secrets == [SECRET]


@pytest.mark.parametrize(
    "words", [("-k", SECRET, "whoami"), (SECRET,), ("keys", SECRET), ("--server", SECRET, "whoami")]
)
def test_secret_typed_in_the_wrong_place_is_not_repeated(listener_terminal, words):
    outcome = listener_terminal.run(*words)

    assert outcome.code == 2
    assert not leaks(outcome)


@pytest.mark.parametrize(
    "code",
    ["missing_credentials", "malformed_key", "unknown_key", "revoked_key", "expired_key", "account_disabled"],
)
def test_refusal_names_the_credential_and_not_the_secret(listener_terminal, listener, code):
    path = key_file(listener_terminal.folder / "mine", SECRET)
    listener.refuse(SECRET, code)

    outcome = listener_terminal.run("-k", "mine", "whoami")

    assert outcome.code == 4
    assert f"reflow: the key in {path} (-k)" in outcome.stderr
    assert ("Create a new one in Account > API Keys" in outcome.stderr) is (code != "account_disabled")
    assert not leaks(outcome)


@pytest.mark.parametrize("code", ["revoked_key", "expired_key", "account_disabled"])
def test_refused_key_of_a_service_account_is_no_matter_of_the_own_keys(listener_terminal, listener, code):
    listener_terminal.environ["REFLOW_API_KEY"] = SECRET
    problem = {"code": code, "status": 401, "account_kind": "service_account"}
    listener.respond("GET", "/me", problem, 401)

    outcome = listener_terminal.run("whoami")

    assert outcome.code == 4
    assert "Admin of" in outcome.stderr
    assert "API Keys" not in outcome.stderr


def test_secret_repeated_by_the_server_is_masked(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = SECRET
    listener.respond(
        "GET", "/me", {"code": "internal_error", "detail": f"Could not read {SECRET}."}, status=500
    )

    outcome = listener_terminal.run("whoami")

    assert outcome.code == 1
    assert "Could not read rfk_…" in outcome.stderr
    assert not leaks(outcome)
