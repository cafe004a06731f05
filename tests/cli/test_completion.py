"""`reflow completion` in real shells."""

import os
import pty
import select
import shutil
import subprocess
import sys

import pytest

from tests.cli.folders import login
from tests.cli.secrets_for_tests import made_up_key, made_up_session
from tests.cli.terminal import PATIENCE, Terminal
from tests.cli.test_startup_imports import HEAVY

SHELLS = ("bash", "zsh", "fish")
PROBE = """
import sys
from reflow_accounts.cli.main import main
code = main([])
print("\\n".join(["MODULES", *sys.modules]), file=sys.__stderr__)
sys.exit(code)
"""


@pytest.fixture
def shell(listener_terminal):
    """The terminal with `reflow` on its path, and a key and a login that nobody should need."""
    folder = listener_terminal.home / "bin"
    folder.mkdir()
    command = folder / "reflow"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reflow_accounts.cli "$@"\n')
    command.chmod(0o755)
    listener_terminal.environ["PATH"] = f"{folder}{os.pathsep}{listener_terminal.environ['PATH']}"
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    login(listener_terminal.home, listener_terminal.environ["REFLOW_SERVER"], made_up_session())
    return listener_terminal


def completed(shell: Terminal, *words: str) -> list[str]:
    """Return what bash offers for the last of `words`."""
    script = """
        eval "$(reflow completion bash)" || exit
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _reflow_completion reflow && printf '%s\\n' "${COMPREPLY[@]}"
    """
    return said_by(shell, "bash", "--norc", "-c", script, "bash", "reflow", *words).split()


def said_by(shell: Terminal, *command: str) -> str:
    """Return what a shell prints, which says nothing beside it."""
    done = subprocess.run(
        command,
        env=shell.environ,
        cwd=shell.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ke"], ["keys"]),
        (["log"], ["login", "logout"]),
        (["--js"], ["--json"]),
        (["--quiet", "wh"], ["whoami"]),
        (["keys", "cr"], ["create"]),
        (["team", "service-accounts", "keys", "rev"], ["revoke"]),
        (["keys", "create", "--sa"], ["--save"]),
        (["keys", "create", "--save", ""], ["home", "repo"]),
        (["activity", "--fol"], ["--follow"]),
        (["completion", ""], sorted(SHELLS)),
        (["nonsense", "x"], []),
        (["keys", "revoke", ""], []),
        (["help", "ke"], ["keys"]),
        (["help", "keys", "cr"], ["create"]),
        (["help", "team", "service-accounts", "keys", "rev"], ["revoke"]),
        (["help", "nonsense", ""], []),
        (["help", "whoami", ""], []),
    ],
    ids=lambda value: " ".join(value),
)
def test_bash_completes_commands_options_and_choices(shell, listener, words, offered):
    assert sorted(completed(shell, *words)) == offered
    assert listener.requests == []


@pytest.mark.parametrize(
    "words",
    [
        ("-k",),
        ("keys", "create", "x", "-o"),
        ("keys", "rotate", "x", "--output"),
        ("team", "service-accounts", "keys", "create", "ci", "x", "-o"),
        ("api", "POST", "/keys", "--input"),
        ("activity", "--export"),
        ("activity", "verify"),
    ],
    ids=" ".join,
)
def test_file_names_are_left_to_the_shell(shell, words):
    command = " ".join(["reflow", *words, "fi"])
    shell.environ |= {"_REFLOW_COMPLETE": "bash_complete", "COMP_WORDS": command}
    shell.environ["COMP_CWORD"] = str(len(words) + 1)

    assert shell.run().stdout == "file,fi\n"


def where_there_is(name: str):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"there is no {name} here")


@pytest.mark.parametrize(
    ("program", "set_up"),
    [
        pytest.param(["bash", "--norc", "--noprofile", "-i"], 'eval "$(reflow completion bash)"', id="bash"),
        pytest.param(
            ["zsh", "-f", "-i"],
            'autoload -Uz compinit; compinit -u -D; eval "$(reflow completion zsh)"',
            marks=where_there_is("zsh"),
            id="zsh",
        ),
    ],
)
def test_tab_key_completes_at_a_real_prompt(shell, program, set_up):
    """The shell itself, interactive, on a pseudo-terminal."""
    ours, theirs = pty.openpty()
    environ = {**shell.environ, "PS1": "ready> ", "TERM": "dumb", "INPUTRC": os.devnull, "HISTFILE": ""}
    process = subprocess.Popen(
        program,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=shell.folder,
        env=environ,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        os.write(ours, f'{set_up}; echo set" "up\n'.encode())
        wait_for(ours, "set up")
        os.write(ours, b"reflow complet\t")
        wait_for(ours, "reflow completion ")
        os.write(ours, b"f\t")
        wait_for(ours, "fish")
        os.write(ours, b" | head -n 1\n")
        wait_for(ours, "function _reflow_completion")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@where_there_is("fish")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("reflow complet", ["completion"]),
        ("reflow completion ", sorted(SHELLS)),
        ("reflow keys create --sa", ["--save"]),
        ("reflow keys create --save ", ["home", "repo"]),
        ("reflow keys revoke ", []),
    ],
)
def test_fish_completes_by_its_own_rules(shell, listener, line, offered):
    """Fish says what it would offer: a word and what it means, with a tab between them."""
    script = "reflow completion fish | source; complete -C $argv[1]"
    lines = said_by(shell, "fish", "--no-config", "-c", script, line).splitlines()

    assert sorted(each.partition("\t")[0] for each in lines if each) == offered
    assert listener.requests == []


@where_there_is("fish")
def test_fish_shows_descriptions_and_file_names_with_a_comma(shell):
    (shell.folder / "a,b.key").touch()
    script = "reflow completion fish | source; complete -C 'reflow keys'; complete -C 'reflow -k a'"

    said = said_by(shell, "fish", "--no-config", "-c", script).splitlines()

    assert said == ["keys\tList, create, rotate, revoke and restore API keys.", "a,b.key"]


def wait_for(screen: int, words: str) -> None:
    seen = ""
    while words not in seen:
        assert select.select([screen], [], [], PATIENCE)[0], seen
        seen += os.read(screen, 65536).decode()


MARKS = {
    "bash": ("complete -o nosort -F _reflow_completion reflow", "_REFLOW_COMPLETE=bash_complete"),
    "zsh": ("#compdef reflow", "_REFLOW_COMPLETE=zsh_complete reflow"),
    "fish": ("complete --no-files --command reflow", "_REFLOW_COMPLETE=fish_complete"),
}


@pytest.mark.parametrize(("name", "marks"), MARKS.items())
def test_script_of_each_shell_is_printed_and_nothing_else(shell, listener, name, marks):
    outcome = shell.run("completion", name)

    assert (outcome.code, outcome.stderr) == (0, "")
    assert all(mark in outcome.stdout for mark in marks)
    assert "%(" not in outcome.stdout
    assert listener.requests == []


@pytest.mark.parametrize("name", SHELLS)
def test_script_of_each_shell_is_answered(shell, name):
    shell.environ |= {"_REFLOW_COMPLETE": f"{name}_complete", "COMP_WORDS": "reflow ke"}
    shell.environ["COMP_CWORD"] = "ke" if name == "fish" else "1"

    outcome = shell.run()

    assert (outcome.code, outcome.stderr) == (0, "")
    assert "keys" in outcome.stdout.replace(",", "\n").split()


@pytest.mark.parametrize("name", SHELLS)
def test_help_says_how_to_install_it(terminal, name):
    assert f"reflow completion {name}" in terminal.run("completion", "--help").stdout


def test_unknown_shell_is_wrong_usage(terminal):
    assert terminal.run("completion", "tcsh").code == 2


@pytest.mark.parametrize("instruction", ["bash_complete", "bash", "tcsh_complete", "x", "_"])
def test_invalid_completion_request_ends_with_1(terminal, instruction):
    terminal.environ["_REFLOW_COMPLETE"] = instruction

    outcome = terminal.run("whoami")

    assert (outcome.code, outcome.output) == (1, "")


def test_completing_a_command_loads_no_command_and_no_network(shell):
    shell.environ |= {"_REFLOW_COMPLETE": "bash_complete", "COMP_WORDS": "reflow ", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=shell.environ, capture_output=True, text=True, check=True
    )

    assert "plain,whoami" in done.stdout.split()
    modules = set(done.stderr.partition("MODULES\n")[2].split())
    assert modules.isdisjoint(HEAVY | {"rich", "urllib.request", "http.client", "ssl"})
    assert not [name for name in modules if name.startswith("reflow_accounts.cli.commands")]
