"""The README is short, every link in the documents has a target, and the operator commands in them run."""

import re
import shlex

import pytest

from tests.helpers import databases
from tests.helpers.live_server import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OPERATOR = "reflow-accounts "
# The database of the documents into which a backup is restored.
RESTORED = "postgresql:///reflow_restored"


def commands(document):
    """Return the commands of the console blocks of a document."""
    blocks = re.findall(r"```console\n(.*?)```", document.read_text("utf-8"), re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ").split("  #")[0] for line in lines if line.startswith("$ ")]


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").split()) <= 900


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_links_lead_to_files_that_exist(document):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text("utf-8"))
    missing = [
        target for target in targets if "://" not in target and not (document.parent / target).exists()
    ]
    assert missing == []


def test_operator_commands_of_the_documents_run(tmp_path, monkeypatch, postgres):
    monkeypatch.chdir(tmp_path)
    app = databases.application(str(tmp_path), f"sqlite:///{tmp_path / 'reflow.db'}")
    databases.migrate(app)
    found = [line for document in DOCUMENTS for line in commands(document) if line.startswith(OPERATOR)]
    assert len(found) >= 8
    assert any(RESTORED in line for line in found)
    url = postgres.make_database("restored")
    runner = app.test_cli_runner()
    for line in [f"{OPERATOR}demo", *found]:
        with app.app_context():
            done = runner.invoke(args=shlex.split(line.removeprefix(OPERATOR).replace(RESTORED, url)))
        assert done.exit_code == 0, f"{line}: {done.output}"
    databases.close(app)


def test_make_targets_of_the_documents_exist():
    targets = {
        line.split()[1] for document in DOCUMENTS for line in commands(document) if line.startswith("make ")
    }
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert targets
    assert targets <= set(rules)
