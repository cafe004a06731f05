"""Builds the files that install the `reflow` command: a wheel of only the command, and reflow.pyz.

`python hatch_build.py FOLDER` writes both, as in `make run`; the hook below adds them to the wheel of the site.
Builds are reproducible: same bytes for the same sources and versions of click, rich and their dependencies.
"""

import re
import sys
import tempfile
import tomllib
import zipapp
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent
COMMAND = ["reflow_accounts/__init__.py", "reflow_accounts/contract.py", "reflow_accounts/cli"]
# The earliest time that a ZIP file can store.
EPOCH = (1980, 1, 1, 0, 0, 0)
# Old versions of Python can also parse this, and print which version is needed.
MAIN = """\
import sys

if sys.version_info < (3, 11):
    sys.exit("reflow needs Python 3.11 or newer; this is Python %d.%d." % sys.version_info[:2])

from reflow_accounts.cli.main import main

sys.exit(main())
"""


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the files of the command to the wheel of the site."""

    def dependencies(self) -> list[str]:
        """Return the packages in reflow.pyz, in the locked versions."""
        locked = Path(self.root, "requirements.txt").read_text("utf-8")
        pins = dict(re.findall(r"^([a-z0-9-]+)(==\S+) \\$", locked, re.MULTILINE))
        return [f"{name}{pins[name]}" for name in ("click", "rich", "markdown-it-py", "mdurl", "pygments")]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the files into a temporary folder, from which they are included."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        build(Path(self._folder.name))
        build_data["force_include"][self._folder.name] = "reflow_accounts/build/cli"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        if version != "editable":
            self._folder.cleanup()


def build(folder: Path) -> None:
    """Write the wheel of the command and reflow.pyz into `folder`; remove other wheels."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        wheel = build_wheel(Path(temporary))
        zipapp_file = build_zipapp(wheel)
        for old in folder.glob("*.whl"):
            old.unlink()
        for file in (wheel, zipapp_file):
            file.replace(folder / file.name)


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the command into `folder` and return its path.

    It has the metadata of this project without that of the site.
    """
    config = _project_config()
    project = config["project"]
    del project["optional-dependencies"]
    project["scripts"] = {"reflow": project["scripts"]["reflow"]}
    project |= {"description": "The reflow command: accounts and API keys.", "readme": "docs/command-line.md"}
    project["classifiers"] = [line for line in project["classifiers"] if not re.search("Flask|Web", line)]
    config["tool"]["hatch"]["build"]["targets"]["wheel"] = {"only-include": COMMAND}
    [wheel] = WheelBuilder(str(ROOT), config=config).build(directory=str(folder), versions=["standard"])
    return Path(wheel)


def build_zipapp(wheel: Path) -> Path:
    """Build reflow.pyz beside the wheel of the command, with its installed dependencies.

    https://docs.python.org/3/library/zipapp.html#the-python-zip-application-archive-format
    """
    with zipfile.ZipFile(wheel) as opened:
        contents = {name: opened.read(name) for name in opened.namelist() if ".dist-info/" not in name}
    for needed in _needed(_project_config()["project"]["dependencies"]):
        contents |= _contents(needed)
    contents["__main__.py"] = MAIN.encode()
    archive, target = wheel.with_name("reflow.zip"), wheel.with_name("reflow.pyz")
    with zipfile.ZipFile(archive, "w") as written:
        for name in sorted(contents):
            written.writestr(zipfile.ZipInfo(name, EPOCH), contents[name], zipfile.ZIP_DEFLATED)
    zipapp.create_archive(archive, target, interpreter="/usr/bin/env python3")
    return target


def _project_config() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _needed(requirements: list[str]) -> Iterator[Distribution]:
    """Yield the installed packages that `requirements` name, and their dependencies."""
    waiting, seen = [Requirement(line) for line in requirements], set[str]()
    while waiting:
        requirement = waiting.pop()
        if requirement.name in seen or (
            requirement.marker and not requirement.marker.evaluate({"extra": ""})
        ):
            continue
        seen.add(requirement.name)
        yield (found := distribution(requirement.name))
        waiting += map(Requirement, found.requires or [])


def _contents(found: Distribution) -> dict[str, bytes]:
    """Return the files that a package needs to run, and its license."""
    return {
        file.as_posix(): file.read_binary()
        for file in found.files or []
        if file.suffix != ".pyc"
        and ".." not in file.parts
        and (not file.parts[0].endswith(".dist-info") or file.name == "METADATA" or "licenses" in file.parts)
    }


if __name__ == "__main__":
    build(Path(sys.argv[1]))
