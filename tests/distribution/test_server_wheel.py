"""The wheel of the site, built from the source distribution, serves from an empty folder."""

import hashlib
import os
import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path

import pytest

from reflow_accounts import __version__
from tests.cli.account import Account, request
from tests.helpers.installation import ROOT
from tests.helpers.live_server import free_port

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def build(kind: str, source: Path, folder: Path) -> Path:
    """Build an sdist or a wheel from a folder and return its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """The folder with the commands of an environment that holds the wheel and borrows what it needs."""
    folder = tmp_path_factory.mktemp("site")
    with tarfile.open(build("sdist", ROOT, folder / "sdist")) as archive:
        archive.extractall(folder, filter="data")
    wheel = build("wheel", folder / f"reflow_accounts-{__version__}", folder / "wheel")
    venv.create(folder / "venv", with_pip=False)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "venv")}))
    # A path file of the borrowed packages is not read again, so this checkout stays out.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(folder / "venv" / "bin" / "python")]
    subprocess.run([*pip, "install", "--no-index", "--no-deps", "--force-reinstall", str(wheel)], check=True)
    return folder / "venv" / "bin"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("empty")


def environ_in(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "REFLOW_PASSWORD_ROUNDS": "4"} | more


@pytest.fixture(scope="module")
def site(commands, folder):
    """The address of `reflow-accounts serve`, started in an empty folder."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [commands / "reflow-accounts", "serve", "--port", str(port)],
            cwd=folder,
            env=environ_in(folder),
            stdout=log,
            stderr=log,
        )
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=5).close()
            break
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
    yield url
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=30) as response:
        content: bytes = response.read()
    return content


def test_main_job_works(site, folder):
    assert {"reflow.db", "secret.key"} <= {file.name for file in (folder / "instance").iterdir()}
    assert b"Log in" in get(f"{site}/login")
    assert get(f"{site}/static/css/reflow.css")
    ada = Account(site, "ada@acme.example")
    key = ada.new_key("laptop")
    status, me = request(site, "GET", "/me", key["secret"])
    assert (status, me["authenticated_by"]["name"]) == (200, "laptop")
    assert request(site, "GET", f"/keys/{key['id']}", ada.session)[1]["use_count"] == 1
    ada.revoke(key)
    assert request(site, "GET", "/me", key["secret"])[1]["code"] == "revoked_key"


def test_site_hands_out_the_command(site):
    page = get(f"{site}/help/cli").decode()
    for name in (f"reflow_accounts-{__version__}-py3-none-any.whl", "reflow.pyz"):
        assert hashlib.sha256(get(f"{site}/cli/{name}")).hexdigest() in page


def test_operator_commands_work_beside_it(site, commands, folder):
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [commands / "reflow-accounts", *words]
        return subprocess.run(
            command, cwd=folder, env=environ_in(folder), capture_output=True, text=True, check=False
        )

    assert run("--version").stdout == f"reflow-accounts {__version__}\n"
    listed = run("users", "list")
    assert (listed.returncode, "ada@acme.example" in listed.stdout) == (0, True), listed.stderr
    assert run("db", "current").returncode == 0


def test_settings_that_cannot_be_used_end_it_with_one_sentence(commands, folder):
    done = subprocess.run(
        [commands / "reflow-accounts", "serve"],
        cwd=folder,
        env=environ_in(folder, REFLOW_ENV="production"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("reflow-accounts: REFLOW_SECRET_KEY is required in production")
