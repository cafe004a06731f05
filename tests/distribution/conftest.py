"""The files of the command, as `make run` and `make test` build them."""

import subprocess
import sys

import pytest

from reflow_accounts import paths
from tests.helpers.installation import ROOT


@pytest.fixture(scope="session", autouse=True)
def built():
    """Build the files where nobody has done so."""
    if not (paths.COMMAND_FILES / "reflow.pyz").exists():
        subprocess.run([sys.executable, "hatch_build.py", paths.COMMAND_FILES], cwd=ROOT, check=True)
