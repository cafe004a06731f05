"""Which credential is used, over real folders and repositories (contract, section 8)."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.folders import git, key_file, login, repository
from tests.cli.secrets_for_tests import made_up_key, made_up_session


@dataclass
class Scene:
    """Secrets by place; `None` means that the place has none."""

    option: bool = False
    variable: bool = False
    repo: bool = False
    home: bool = False
    session: bool = False
    expected: str = ""
    hidden: tuple[str, ...] = field(default=())


SCENES = {
    "the option comes first": Scene(
        True, True, True, True, True, "option", ("variable", "repo", "home", "session")
    ),
    "then the variable": Scene(False, True, True, True, True, "variable", ("repo", "home", "session")),
    "then the git root": Scene(False, False, True, True, True, "repo", ("home", "session")),
    "then the home folder": Scene(False, False, False, True, True, "home", ("session",)),
    "then the login": Scene(False, False, False, False, True, "session"),
    "the option hides the login": Scene(True, False, False, False, True, "option", ("session",)),
    "the variable alone": Scene(False, True, expected="variable"),
    "the git root alone": Scene(False, False, True, expected="repo"),
}


def _set(terminal, listener, scene: Scene) -> tuple[list[str], dict[str, str], dict[str, str]]:
    root = repository(terminal.folder)
    terminal.folder = root / "deep" / "down"
    terminal.folder.mkdir(parents=True)
    secrets = {name: made_up_key() for name in ("option", "variable", "repo", "home")}
    secrets["session"] = made_up_session()
    words = []
    if scene.option:
        words = ["-k", str(key_file(terminal.home / "given", secrets["option"]))]
    if scene.variable:
        terminal.environ["REFLOW_API_KEY"] = secrets["variable"]
    if scene.repo:
        key_file(root / "reflow.key", secrets["repo"])
    if scene.home:
        key_file(terminal.home / ".reflow" / "api.key", secrets["home"])
    if scene.session:
        login(terminal.home, listener.url, secrets["session"])
    return words, secrets, _where(terminal, root, listener)


def _where(terminal, root: Path, listener) -> dict[str, str]:
    return {
        "option": f"the key in {terminal.home / 'given'} (-k)",
        "variable": "the key in REFLOW_API_KEY (environment variable)",
        "repo": f"the key in {root / 'reflow.key'} (git root)",
        "home": f"the key in {terminal.home / '.reflow' / 'api.key'} (home folder)",
        "session": f"the login at {listener.url}",
    }


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
def test_first_credential_found_is_used_and_named(listener_terminal, listener, scene):
    words, secrets, where = _set(listener_terminal, listener, scene)

    outcome = listener_terminal.run(*words, "whoami")

    assert outcome.code == 0, outcome.stderr
    assert listener.secrets == [secrets[scene.expected]]
    assert f"Credential\t{where[scene.expected]}\n" in outcome.stdout
    hidden = [
        line.removeprefix("Not used\t") for line in outcome.stdout.splitlines() if line.startswith("Not used")
    ]
    assert hidden == [where[name] for name in scene.hidden]


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
def test_revoked_key_found_first_ends_the_command(listener_terminal, listener, scene):
    words, secrets, where = _set(listener_terminal, listener, scene)
    listener.refuse(secrets[scene.expected], "revoked_key")

    outcome = listener_terminal.run(*words, "whoami")

    assert outcome.code == 4
    assert listener.secrets == [secrets[scene.expected]], "no other credential may be tried"
    reason = "has ended" if scene.expected == "session" else "was revoked"
    assert f"reflow: {where[scene.expected]} {reason}." in outcome.stderr
    assert outcome.stdout == ""


def test_missing_credential_is_explained(listener_terminal, listener):
    outcome = listener_terminal.run("whoami")

    assert outcome.code == 4
    assert listener.requests == []
    for word in ("reflow login", "REFLOW_API_KEY", "reflow.key", "~/.reflow/api.key", listener.url):
        assert word in outcome.stderr


def test_inner_repository_without_a_key_does_not_use_the_outer_one(listener_terminal, listener):
    outer = repository(listener_terminal.folder)
    key_file(outer / "reflow.key", made_up_key())
    listener_terminal.folder = repository(outer / "inner")

    assert listener_terminal.run("whoami").code == 4
    assert listener.requests == []


def test_inner_repository_uses_its_own_key(listener_terminal, listener):
    outer = repository(listener_terminal.folder)
    key_file(outer / "reflow.key", made_up_key())
    listener_terminal.folder = repository(outer / "inner")
    key_file(listener_terminal.folder / "reflow.key", inner := made_up_key())

    assert listener_terminal.run("whoami").code == 0
    assert listener.secrets == [inner]


@pytest.mark.parametrize("has_key", [True, False])
def test_worktree_is_its_own_root(listener_terminal, listener, has_key):
    main = repository(listener_terminal.folder / "main")
    key_file(main / "reflow.key", made_up_key())
    git(main, "worktree", "add", "--quiet", str(main / "side"))
    if has_key:
        key_file(main / "side" / "reflow.key", own := made_up_key())
    listener_terminal.folder = main / "side"

    assert listener_terminal.run("whoami").code == (0 if has_key else 4)
    assert listener.secrets == ([own] if has_key else [])


@pytest.mark.parametrize("has_key", [True, False])
def test_submodule_is_its_own_root(listener_terminal, listener, has_key):
    library = repository(listener_terminal.folder / "library")
    main = repository(listener_terminal.folder / "main")
    key_file(main / "reflow.key", made_up_key())
    git(main, "submodule", "--quiet", "add", str(library), "lib")
    if has_key:
        key_file(main / "lib" / "reflow.key", own := made_up_key())
    listener_terminal.folder = main / "lib"

    assert listener_terminal.run("whoami").code == (0 if has_key else 4)
    assert listener.secrets == ([own] if has_key else [])


@pytest.mark.parametrize("folder", ["bare.git", "bare.git/hooks", ".git", ".git/hooks"])
def test_bare_repository_and_the_inside_of_git_have_no_root(listener_terminal, listener, folder):
    outer = repository(listener_terminal.folder)
    key_file(outer / "reflow.key", made_up_key())
    git(outer, "init", "--quiet", "--bare", "bare.git")
    listener_terminal.folder = outer / folder

    assert listener_terminal.run("whoami").code == 4
    assert listener.requests == []


def test_key_in_the_folder_is_not_used_outside_a_repository(listener_terminal, listener):
    key_file(listener_terminal.folder / "reflow.key", made_up_key())

    assert listener_terminal.run("whoami").code == 4
    assert listener.requests == []


def test_git_variables_do_not_change_the_root(listener_terminal, listener):
    other = repository(listener_terminal.home / "other")
    key_file(other / "reflow.key", made_up_key())
    listener_terminal.environ |= {"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other)}

    assert listener_terminal.run("whoami").code == 4
    assert listener.requests == []


@pytest.mark.parametrize("home", [None, "", "relative", "."])
def test_missing_home_folder_is_skipped(listener_terminal, listener, home):
    key_file(listener_terminal.folder / ".reflow" / "api.key", made_up_key())
    del listener_terminal.environ["HOME"]
    if home is not None:
        listener_terminal.environ["HOME"] = home

    assert listener_terminal.run("whoami").code == 4
    listener_terminal.environ["REFLOW_API_KEY"] = (secret := made_up_key())
    assert listener_terminal.run("whoami").code == 0
    assert listener.secrets == [secret]


@pytest.mark.parametrize("value", ["", None])
def test_empty_variable_counts_as_not_set(listener_terminal, listener, value):
    key_file(listener_terminal.home / ".reflow" / "api.key", secret := made_up_key())
    if value is not None:
        listener_terminal.environ["REFLOW_API_KEY"] = value

    assert listener_terminal.run("whoami").code == 0
    assert listener.secrets == [secret]


def test_login_of_another_server_is_never_sent(listener_terminal, listener):
    login(listener_terminal.home, "https://elsewhere.example", made_up_session())

    assert listener_terminal.run("whoami").code == 4
    assert listener.requests == []


def test_login_names_the_server(terminal, listener):
    login(terminal.home, listener.url, secret := made_up_session())

    assert terminal.run("whoami").code == 0
    assert listener.secrets == [secret]


def test_vanished_current_folder_is_no_repository(listener_terminal, listener):
    key_file(listener_terminal.home / ".reflow" / "api.key", secret := made_up_key())
    listener_terminal.folder = listener_terminal.folder / "gone"
    listener_terminal.folder.mkdir()

    outcome = listener_terminal.run("whoami", through=("sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh"))

    assert outcome.code == 0, outcome.stderr
    assert listener.secrets == [secret]
