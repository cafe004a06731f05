"""The wheel of the command and reflow.pyz: what is in them, and that they run."""

import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from reflow_accounts import __version__
from tests.helpers.installation import ROOT

WHEEL = f"reflow_accounts-{__version__}-py3-none-any.whl"
OF_THE_COMMAND = {"__init__.py", "contract.py", "cli"}


def build(folder: Path, **environ: str) -> dict[str, bytes]:
    command = [sys.executable, "hatch_build.py", str(folder)]
    subprocess.run(command, cwd=ROOT, env=os.environ | environ, check=True)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    build(folder)
    return folder


def test_same_sources_give_the_same_bytes(files, tmp_path):
    again = build(tmp_path / "again", TZ="Asia/Tokyo", LC_ALL="C")
    assert set(again) == {WHEEL, "reflow.pyz"}
    assert {name: (files / name).read_bytes() for name in again} == again


def test_wheel_holds_the_command_alone(files):
    with zipfile.ZipFile(files / WHEEL) as wheel:
        parts = [Path(name).parts for name in wheel.namelist()]
        metadata = message_from_bytes(wheel.read(f"reflow_accounts-{__version__}.dist-info/METADATA"))
        scripts = wheel.read(f"reflow_accounts-{__version__}.dist-info/entry_points.txt").decode()
    assert {part[1] for part in parts if part[0] == "reflow_accounts"} == OF_THE_COMMAND
    assert {part[0] for part in parts} == {"reflow_accounts", f"reflow_accounts-{__version__}.dist-info"}
    assert {line.partition(">")[0] for line in metadata.get_all("Requires-Dist")} == {"click", "rich"}
    assert metadata.get_all("Provides-Extra") is None
    assert scripts.split("\n")[:2] == ["[console_scripts]", "reflow = reflow_accounts.cli.main:main"]
    assert {line.partition(",")[0] for line in metadata.get_all("Project-URL")} >= {
        "Homepage",
        "Documentation",
    }


def test_pyz_runs_with_nothing_but_python(files, tmp_path):
    # Neither packages of this machine nor variables.
    python = [Path(sys.base_prefix) / "bin" / "python3", "-I", "-S"]
    options = {"cwd": tmp_path, "env": {"HOME": str(tmp_path)}, "capture_output": True, "text": True}
    done = subprocess.run([*python, files / "reflow.pyz", "--help"], **options, check=False)
    assert (done.returncode, done.stderr, done.stdout[:6]) == (0, "", "Usage:")
    done = subprocess.run([*python, files / "reflow.pyz", "keys", "--nothing"], **options, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    tables = "import sys; sys.path.insert(0, sys.argv[1]); import rich.markdown, rich.syntax, rich.table"
    subprocess.run([*python, "-c", tables, files / "reflow.pyz"], **options, check=True)


def test_pyz_names_the_python_that_it_needs(files):
    with zipfile.ZipFile(files / "reflow.pyz") as archive:
        main = archive.read("__main__.py").decode()
    old = f"import sys; sys.version_info = (3, 9, 2); exec({main!r})"
    done = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "reflow needs Python 3.11 or newer; this is Python 3.9.\n")
