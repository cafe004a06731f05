"""Imports run down, and `reflow_accounts` itself imports nothing (house: imports)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_import_contracts_hold():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_itself_imports_nothing():
    question = "import sys; before = set(sys.modules); import reflow_accounts; print(sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", question], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['reflow_accounts']"


def test_every_module_says_in_one_line_what_lives_in_it():
    for file in sorted(ROOT.glob("reflow_accounts/**/*.py")):
        first = file.read_text("utf-8").partition("\n")[0]
        assert first.startswith('"""'), file
        assert first.endswith('"""'), f"{file}: {first}"
