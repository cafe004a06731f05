"""The composite action for GitHub and the template for GitLab: their scripts, run with bash."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reflow_accounts import paths
from tests import factories
from tests.helpers.installation import ROOT

PATH = f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin"
ANOTHER_FILE = "0" * 64


@pytest.fixture
def key(live):
    person = factories.person(live.app, "Ada Rocket")
    factories.team(live.app, "Rocket", person, active=True)
    return person.key("ci").secret


def bash(script: str, folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


class Runner:
    """Runs the steps of the action as GitHub's runner does, until one fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"PATH": PATH, "HOME": str(folder), "RUNNER_TEMP": str(folder)}
        self.shown = ""

    def run(self, **inputs: str) -> list[int]:
        """Return the exit codes of the steps."""
        action = yaml.safe_load((ROOT / ".github/actions/reflow/action.yml").read_text())
        values = {name: described.get("default", "") for name, described in action["inputs"].items()} | inputs
        codes = []
        for step in action["runs"]["steps"]:
            files = {name: self.folder / name for name in ("GITHUB_ENV", "GITHUB_PATH")}
            for file in files.values():
                file.write_text("")
            given = {
                name: re.sub(r"\$\{\{ inputs\.(\w+) }}", lambda found: values[found[1]], value)
                for name, value in step.get("env", {}).items()
            }
            said = bash(
                step["run"], self.folder, self.environ | given | {n: str(f) for n, f in files.items()}
            )
            self.shown += said.stdout + said.stderr
            codes.append(said.returncode)
            if said.returncode:
                break
            self._keep(files["GITHUB_ENV"].read_text(), files["GITHUB_PATH"].read_text().split())
        return codes

    def _keep(self, variables: str, folders: list[str]) -> None:
        for name, value in re.findall(r"^(\w+)=(.*)$", variables, re.MULTILINE):
            self.environ[name] = value
        for name, _, value in re.findall(r"^(\w+)<<(\w+)\n(.*?)\n\2$", variables, re.MULTILINE | re.DOTALL):
            self.environ[name] = value
        self.environ["PATH"] = ":".join([*folders, self.environ["PATH"]])


def test_action_installs_signs_in_and_masks_the_key(live, key, tmp_path):
    runner = Runner(tmp_path)
    digest = hashlib.sha256((paths.COMMAND_FILES / "reflow.pyz").read_bytes()).hexdigest()
    assert runner.run(server=f"{live.url}/", key=key, sha256=digest) == [0, 0, 0], runner.shown
    assert "Ada Rocket" in runner.shown
    assert f"::add-mask::{key}\n" in runner.shown
    assert key not in runner.shown.replace(f"::add-mask::{key}\n", "")
    assert "Ada Rocket" in bash("reflow whoami", tmp_path, runner.environ).stdout


def test_action_keeps_a_whole_key_file_and_masks_its_key_alone(key, tmp_path):
    runner, file = Runner(tmp_path), f"# server: https://accounts.example.com\n{key}\n"
    runner.run(server="https://accounts.example.com", key=file, install="exit 3")
    assert runner.environ["REFLOW_API_KEY"] == file
    assert runner.environ["REFLOW_SERVER"] == "https://accounts.example.com"
    assert re.findall("::add-mask::(.*)", runner.shown) == [key]


@pytest.mark.parametrize(
    ("inputs", "codes", "sentence"),
    [
        ({"key": ""}, [1], "::error::The input key is empty."),
        ({"server": "accounts.example.com"}, [1], "::error::The input server must be an address"),
        ({"sha256": ANOTHER_FILE}, [0, 1], "FAILED"),
        ({"install": "exit 3"}, [0, 3], ""),
    ],
    ids=["no-key", "no-address", "another-file", "failed-install"],
)
def test_action_says_what_is_wrong(live, key, tmp_path, inputs, codes, sentence):
    runner = Runner(tmp_path)
    assert runner.run(**{"server": live.url, "key": key} | inputs) == codes
    assert sentence in runner.shown


def job(**inputs: str) -> tuple[str, dict[str, str]]:
    """Return the script and the variables of the template with these inputs."""
    spec, _, text = (ROOT / "deploy/gitlab/reflow.yml").read_text().partition("\n---\n")
    described = yaml.safe_load(spec)["spec"]["inputs"]
    values = {name: item.get("default", "") for name, item in described.items()} | inputs
    assert set(values) == set(described)
    filled = re.sub(r"\$\[\[ inputs\.(\w+) ]]", lambda found: f"'{values[found[1]]}'", text)
    found = yaml.safe_load(filled)[".reflow"]
    return "\n".join(found["before_script"]), found["variables"]


def test_template_installs_and_signs_in(live, key, tmp_path):
    digest = hashlib.sha256((paths.COMMAND_FILES / "reflow.pyz").read_bytes()).hexdigest()
    script, variables = job(server=live.url, sha256=digest)
    environ = {"PATH": PATH, "HOME": str(tmp_path), "REFLOW_API_KEY": key} | variables
    done = bash(script, tmp_path, environ)
    assert done.returncode == 0, done.stderr
    assert "Ada Rocket" in done.stdout
    assert key not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("inputs", "has_key", "code"),
    [({}, False, 1), ({"sha256": ANOTHER_FILE}, True, 1), ({"install": "exit 3"}, True, 3)],
)
def test_template_ends_when_something_is_wrong(live, key, tmp_path, inputs, has_key, code):
    script, variables = job(server=live.url, **inputs)
    environ = {"PATH": PATH, "HOME": str(tmp_path), "REFLOW_API_KEY": key if has_key else ""} | variables
    assert bash(script, tmp_path, environ).returncode == code
