"""`keys create --save repo` and git: the ignore file is asked for, chosen by --yes, or recommended."""

import os
import subprocess

import pytest

from reflow_accounts.contract import is_well_formed
from tests.cli.account import unused_name
from tests.cli.folders import git, repository, secret_in

QUESTION = "Where should it be ignored?"


def create(terminal, *words: str):
    return terminal.run("keys", "create", unused_name(), "--save", "repo", *words)


def create_at_a_screen(terminal, answer: str):
    name = unused_name()
    return terminal.run_interactively("keys", "create", name, "--save", "repo", answers=(("Choose", answer),))


def is_ignored(root) -> bool:
    command = ["git", "check-ignore", "--quiet", "reflow.key"]
    return subprocess.run(command, cwd=root, check=False).returncode == 0


@pytest.fixture
def root(keyed_terminal):
    """A repository that ignores nothing; the terminal is in a folder of it."""
    git(keyed_terminal.folder, "init", "--quiet")
    (keyed_terminal.folder / "deep").mkdir()
    root, keyed_terminal.folder = keyed_terminal.folder, keyed_terminal.folder / "deep"
    return root


@pytest.mark.parametrize(
    ("answer", "file"), [("1", ".gitignore"), ("", ".gitignore"), ("2", ".git/info/exclude"), ("3", None)]
)
def test_person_is_asked_where_to_ignore_the_file(keyed_terminal, root, answer, file):
    outcome = create_at_a_screen(keyed_terminal, answer)

    assert outcome.code == 0, outcome.stdout
    assert QUESTION in outcome.stdout
    assert is_well_formed(secret_in(root / "reflow.key"))
    assert is_ignored(root) is (file is not None)
    named = [place for place in (".gitignore", ".git/info/exclude") if has_line(root / place)]
    assert named == ([file] if file else [])
    assert ("is not ignored by git and could be published. Fix it" in outcome.stdout) is (file is None)


def has_line(file) -> bool:
    return file.exists() and "/reflow.key" in file.read_text().splitlines()


def test_yes_option_skips_the_question(keyed_terminal, root):
    outcome = create(keyed_terminal, "--yes")

    assert outcome.code == 0
    assert (root / ".gitignore").read_text() == "/reflow.key\n"
    assert f"/reflow.key was added to {root}/.gitignore" in outcome.stderr
    assert "warning" not in outcome.stderr


@pytest.mark.parametrize("at_a_screen", [True, False])
def test_ci_gets_a_warning_instead_of_a_question(keyed_terminal, root, at_a_screen):
    keyed_terminal.environ |= {"CI": "true"} if at_a_screen else {}
    words = ("keys", "create", unused_name(), "--save", "repo")
    outcome = (keyed_terminal.run_interactively if at_a_screen else keyed_terminal.run)(*words)

    assert outcome.code == 0
    assert QUESTION not in outcome.output
    assert not (root / ".gitignore").exists()
    assert (root / "reflow.key").exists()
    line = next(line for line in outcome.output.splitlines() if line.startswith("    "))
    subprocess.run(["sh", "-ec", line.strip()], check=True)
    assert is_ignored(root)


@pytest.mark.parametrize("before", ["", "*.pyc", "*.pyc\n", "*.pyc\r\n", "# caf\xe9", "reflow.key\n!*.key"])
def test_line_is_appended_to_the_file(keyed_terminal, root, before):
    (root / ".gitignore").write_bytes(before.encode("latin-1"))

    assert create(keyed_terminal, "--yes").code == 0

    content = (root / ".gitignore").read_bytes()
    assert content.startswith(before.encode("latin-1"))
    assert content.splitlines()[-1] == b"/reflow.key"
    assert content.endswith(b"/reflow.key\n")
    assert len(content.splitlines()) == len(before.splitlines()) + 1
    assert is_ignored(root)


def test_ignored_file_needs_no_line(keyed_terminal):
    root = repository(keyed_terminal.folder)

    assert QUESTION not in create_at_a_screen(keyed_terminal, "").stdout
    assert create(keyed_terminal, "--yes", "--force").code == 0
    assert (root / ".gitignore").read_text() == "reflow.key\n"


def test_worktree_uses_the_ignore_file_of_its_clone(keyed_terminal, tmp_path):
    main = tmp_path / "main"
    main.mkdir()
    git(main, "init", "--quiet")
    git(main, "commit", "--quiet", "--allow-empty", "-m", "start")
    git(main, "worktree", "add", "--quiet", str(tmp_path / "side"))
    keyed_terminal.folder = tmp_path / "side"

    assert create_at_a_screen(keyed_terminal, "2").code == 0

    assert has_line(main / ".git" / "info" / "exclude")
    assert is_ignored(tmp_path / "side")


@pytest.mark.parametrize("answer", ["1", "2"])
def test_submodule_has_its_own_ignore_file(keyed_terminal, tmp_path, answer):
    library, main = tmp_path / "library", tmp_path / "main"
    for folder in (library, main):
        folder.mkdir()
        git(folder, "init", "--quiet")
        git(folder, "commit", "--quiet", "--allow-empty", "-m", "start")
    git(main, "submodule", "--quiet", "add", str(library), "lib")
    keyed_terminal.folder = main / "lib"

    assert create_at_a_screen(keyed_terminal, answer).code == 0

    assert is_ignored(main / "lib")
    assert not (main / ".gitignore").exists()
    assert not has_line(main / ".git" / "info" / "exclude")


def test_file_outside_the_repository_causes_no_warning(keyed_terminal, root):
    (root / "inner").mkdir()
    keyed_terminal.folder = root / "inner"
    git(keyed_terminal.folder, "init", "--quiet")
    (root / ".git").rename(root / "git")

    outcome = keyed_terminal.run("keys", "create", unused_name(), "-o", "../x.key")

    assert outcome.code == 0
    assert "git" not in outcome.stderr


def test_file_with_dots_in_its_path_is_named_for_git(keyed_terminal, root):
    outcome = keyed_terminal.run("keys", "create", unused_name(), "-o", "../x.key")

    assert outcome.code == 0, outcome.stderr
    assert f"echo /x.key >> {root}/.gitignore" in outcome.stderr


def test_name_of_a_file_is_no_pattern(keyed_terminal, root):
    (root / "k1.key").write_text("tracked")
    git(root, "add", "k1.key")

    outcome = keyed_terminal.run("keys", "create", unused_name(), "-o", "../k[1].key")

    assert (outcome.code, "is tracked by git" in outcome.stderr) == (0, False)


def test_file_in_another_repository_causes_its_warning(keyed_terminal, tmp_path):
    other = repository(tmp_path / "other")
    inner = keyed_terminal.folder / "inner"
    inner.mkdir()
    keyed_terminal.folder = inner

    outcome = keyed_terminal.run(
        "keys", "create", unused_name(), "-o", os.path.relpath(other / "x.key", inner)
    )

    assert outcome.code == 0, outcome.stderr
    assert f"{other}/.gitignore" in outcome.stderr


def test_repository_of_a_hook_is_not_asked(keyed_terminal, root, tmp_path):
    other = repository(tmp_path / "other")
    keyed_terminal.environ |= {"GIT_DIR": f"{other}/.git", "GIT_WORK_TREE": str(other)}

    outcome = create(keyed_terminal)

    assert f"{root}/reflow.key is not ignored by git" in outcome.stderr


def test_missing_info_folder_is_created(keyed_terminal, root):
    (root / ".git" / "info" / "exclude").unlink()
    (root / ".git" / "info").rmdir()

    assert create_at_a_screen(keyed_terminal, "2").code == 0
    assert is_ignored(root)


@pytest.mark.parametrize("kind", ["folder", "link", "read-only", "tracked"])
def test_no_key_is_created_when_git_would_not_ignore_it(keyed_terminal, root, kind, tmp_path, ada):
    file, elsewhere = root / ".gitignore", tmp_path / "elsewhere"
    elsewhere.write_text("precious\n")
    through: tuple[str, ...] = ()
    if kind == "read-only":
        file.write_text("")
        file.chmod(0o400)
        through = ("setpriv", "--bounding-set", "-dac_override") if os.geteuid() == 0 else ()
    elif kind == "link":
        file.symlink_to(elsewhere)
    elif kind == "tracked":
        (root / "reflow.key").write_text("old")
        git(root, "add", "-f", "reflow.key")
    else:
        file.mkdir()
    words = ("keys", "create", name := unused_name(), "--save", "repo", "--yes", "--force")

    outcome = keyed_terminal.run(*words, through=through)

    assert outcome.code == 1, outcome.stderr
    assert "No key was created" in outcome.stderr
    assert name not in ada.live_names()
    assert elsewhere.read_text() == "precious\n"
    assert (root / "reflow.key").exists() is (kind == "tracked")
    if kind == "tracked":
        return
    command = outcome.stderr.splitlines()[-1]
    assert command.endswith(f">> {root}/.git/info/exclude")
    subprocess.run([*through, "sh", "-ec", command.strip()], check=True)
    assert is_ignored(root)
    assert keyed_terminal.run(*words, through=through).code == 0


def test_overridden_ignore_file_prevents_the_creation(keyed_terminal, root):
    (root / ".gitignore").write_text("!reflow.key\n")
    outcome = create_at_a_screen(keyed_terminal, "2")
    assert (outcome.code, "another rule overrides it" in outcome.stdout) == (1, True)
    assert not (root / "reflow.key").exists()


def test_failed_creation_changes_no_ignore_file(live_terminal, nina):
    root = live_terminal.folder
    git(root, "init", "--quiet")
    live_terminal.environ["REFLOW_API_KEY"] = "x"

    assert create(live_terminal, "--yes").code == 4
    assert [path.name for path in root.iterdir()] == [".git"]


def test_aborted_question_creates_nothing(keyed_terminal, root, ada):
    outcome = keyed_terminal.run_interactively(
        "keys", "create", name := unused_name(), "--save", "repo", answers=(("Choose", "\x03"),)
    )

    assert outcome.code == 130
    assert name not in ada.live_names()
    assert sorted(path.name for path in root.iterdir()) == [".git", "deep"]
