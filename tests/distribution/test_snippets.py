"""The lines of the pages and of the README, run as they stand on a machine with nothing but Python."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from reflow_accounts import __version__
from tests import factories
from tests.distribution.machine import Machine
from tests.helpers.html import parse
from tests.helpers.installation import ROOT
from tests.helpers.page_client import PageClient
from tests.teams.service_account_actions import ci_key_path

pytestmark = [pytest.mark.slow, pytest.mark.alone]

BASH = ("bash", "-e", "-o", "pipefail")
KEYS = "/account/api-keys"


class Visitor:
    """An Admin of a paid team, whose pages are opened at the address of the live server."""

    def __init__(self, live):
        self.person = factories.person(live.app, "Ada Rocket")
        self.team = factories.team(live.app, "Rocket", self.person, active=True)
        self.client = PageClient(live.app, live.app.response_class)
        self.client.base_url = live.url
        self.person.sign_in(self.client)

    def create(self, form: str, action: str, **fields: str):
        """Create a key; return the page that shows it, and its secret."""
        page = parse(self.client.submit(self.client.page(form), action, **fields).text)
        return page, page.all("textarea")[0].text


def lines_of(page, name):
    """Return the text of a block, line breaks included."""
    [code] = page.with_id(f"lines-{name}").all("code")
    return "".join(child for child in code.children if isinstance(child, str))


def save_download(page, file: Path) -> None:
    """Save the key as the link Download reflow.key does."""
    [link] = [link for link in page.all("a") if link["download"] == "reflow.key"]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(unquote(link["href"].partition(",")[2]))


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    return Machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_lines_for_ci_work(live, machine, folder):
    visitor = Visitor(live)
    page, secret = visitor.create(ci_key_path(visitor.team), ci_key_path(visitor.team))
    said = []

    # First, because `pip install pipx` brings what the others have from their system.
    job = yaml.safe_load(lines_of(page, "gitlab"))["reflow"]
    variables = job["variables"] | {"PIPX_BIN_DIR": str(machine.bin), "PIPX_HOME": str(machine.home / "pipx")}
    script = "\n".join([*job["before_script"], *job["script"]])
    said.append(machine.run(script, folder, BASH, REFLOW_API_KEY=secret, **variables))
    (machine.bin / "reflow").unlink()

    pipeline = lines_of(page, "jenkins")
    environ = dict(re.findall(r"(REFLOW_\w+) = (?:credentials\()?'([^']+)'", pipeline))
    assert environ.pop("REFLOW_API_KEY") == "reflow-api-key"
    [script] = re.findall(r"sh '''\n(.*?)'''", pipeline, re.DOTALL)
    said.append(machine.run(script, folder, ("sh", "-xe"), REFLOW_API_KEY=secret, **environ))

    # Where GitHub's machines have the commands that pipx installs.
    machine.environ["PATH"] = f"{machine.home}/.local/bin:{machine.environ['PATH']}"
    [step] = yaml.safe_load(lines_of(page, "github"))
    environ = {
        name: value.replace("${{ secrets.REFLOW_API_KEY }}", secret) for name, value in step["env"].items()
    }
    said.append(machine.run(step["run"], folder, BASH, **environ))

    machine.run("git init -q", folder)
    save_download(page, machine.home / "Downloads" / "reflow.key")
    said.append(machine.run(lines_of(page, "checkout"), folder))
    assert machine.run("git status --short", folder).stdout == "?? .gitignore\n"

    for done in said:
        assert "rocket-ci" in done.stdout
        assert secret not in done.stdout + done.stderr


def test_lines_for_people_work(live, machine, folder):
    machine.run("command -v pipx || pip install pipx", folder)
    machine.environ["PATH"] = f"{machine.home}/.local/bin:{machine.environ['PATH']}"
    visitor = Visitor(live)
    empty = visitor.client.page(KEYS)
    page, secret = visitor.create(f"{KEYS}/new", KEYS, name="laptop")
    save_download(page, folder / "reflow.key")
    said = [machine.run(lines_of(page, "created"), folder), machine.run(lines_of(empty, "empty"), folder)]
    help_page = visitor.client.page("/help/cli")
    said.append(machine.run(lines_of(help_page, "start"), folder))
    for done in said:
        assert "Ada Rocket" in done.stdout
        assert secret not in done.stdout + done.stderr
    assert f"reflow {__version__}" in machine.run(lines_of(help_page, "pyz"), folder).stdout

    save_download(page, machine.home / "Downloads" / "reflow.key")
    [block] = [block for block in console_blocks(ROOT / "README.md") if "pipx install" in block]
    assert f"reflow_accounts-{__version__}-" in block
    done = machine.run(block.replace("http://127.0.0.1:5000", live.url), folder)
    assert "Ada Rocket" in done.stdout


def console_blocks(document: Path) -> list[str]:
    """Return the commands of each console block of a document."""
    blocks = re.findall(r"```console\n(.*?)```", document.read_text("utf-8"), re.DOTALL)
    return ["\n".join(re.findall(r"^ *\$ (.*)$", block, re.MULTILINE)) for block in blocks]
