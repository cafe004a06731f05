"""Installs the wheel into a separate environment, like `pipx install`, without a network."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
BASE = ("click", "rich")


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout into `folder` and return its path."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    return next(folder.glob("*.whl"))


class Installation:
    """A virtual environment in `folder` with the wheel, the packages `BASE` and their dependencies."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        venv.create(folder, with_pip=False)
        self.python = str(folder / "bin" / "python")
        self.reflow = str(folder / "bin" / "reflow")
        packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
        for needed in _closure(BASE):
            _copy(needed, packages)
        # Without an index, pip fails if the wheel has other dependencies.
        pip = ("-m", "pip", "--disable-pip-version-check", "--quiet", "--python", self.python)
        _run(sys.executable, *pip, "install", "--no-index", str(wheel))

    def has(self, module: str) -> bool:
        """Return whether a module can be imported there."""
        probe = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        return subprocess.run([self.python, "-I", "-c", probe], check=False).returncode == 0


def _closure(names: tuple[str, ...]) -> Iterator[Distribution]:
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        yield found
        needs = map(Requirement, found.requires or [])
        waiting += [need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]


def _copy(found: Distribution, packages: Path) -> None:
    for file in found.files or []:
        if ".." not in file.parts:  # not a script outside of the package folder
            (packages / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), packages / file)


def _run(*command: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
