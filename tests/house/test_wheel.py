"""The contents and dependencies of the wheel."""

import subprocess
import zipfile
from email import message_from_bytes

import pytest

from tests.helpers.installation import ROOT, build_wheel

# Files allowed in the root of the repository.
TOP = {
    ".ci", ".dockerignore", ".gitattributes", ".github", ".gitignore", ".gitlab-ci.yml", ".secrets.baseline",
    "bench", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "deploy",
    "docs", "hatch_build.py", "migrations", "pyproject.toml", "reflow_accounts", "requirements-dev.txt",
    "requirements.txt", "static", "templates", "tests", "wsgi.py",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def metadata(wheel):
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_bytes(wheel.read(name))


def test_wheel_carries_templates_files_and_migrations(wheel):
    names = set(wheel.namelist())
    for folder in ("templates", "static", "migrations"):
        wanted = {
            f"reflow_accounts/{file.relative_to(ROOT)}"
            for file in (ROOT / folder).rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }
        assert wanted
        assert wanted <= names, wanted - names


def test_wheel_carries_nothing_else(wheel):
    assert {name.split("/")[0].partition("-")[0] for name in wheel.namelist()} == {"reflow_accounts"}
    assert not [
        name for name in wheel.namelist() if "instance" in name or name.endswith((".db", ".key", ".pyc"))
    ]


def test_base_install_is_the_command_alone(metadata):
    needs = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert {need.partition(">")[0].strip() for need in needs} == {"click", "rich"}


def test_metadata_names_the_project_pages(metadata):
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL"))
    assert {"Homepage", "Documentation", "Changelog"} <= set(urls)


def test_commands_are_installed(wheel):
    [name] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    scripts = wheel.read(name).decode()
    assert "reflow = reflow_accounts.cli" in scripts
    assert "reflow-accounts = reflow_accounts." in scripts


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_repository_root_holds_only_known_files():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {name.split("/")[0] for name in listed.stdout.splitlines()} - TOP == set()
