"""`reflow activity --export` and `reflow activity verify` at the real server."""

import csv
import json
import os
import stat


def test_export_is_written_and_checked(keyed, ada, tmp_path):
    file = tmp_path / "log.jsonl"
    outcome = keyed.run("activity", "--export", str(file))
    assert outcome.code == 0, outcome.stderr
    lines = file.read_text("utf-8").splitlines()
    assert f"{len(lines):,} lines were written to {file}." in outcome.stderr
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "log" in path.name] == ["log.jsonl"]

    checked = keyed.run("--json", "activity", "verify", str(file))
    assert checked.code == 0, checked.stderr
    result = json.loads(checked.stdout)
    assert result["events"] > 0
    account = json.loads(lines[0])["account"]
    head = result["heads"][account]
    assert keyed.run("activity", "verify", str(file), "--head", head).code == 0

    del lines[len(lines) // 2]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    checked = keyed.run("activity", "verify", str(file))
    assert checked.code == 1
    assert f"{file} was changed or is incomplete: " in checked.stderr


def test_export_replaces_a_file_only_with_force(keyed, tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("mine")
    refused = keyed.run("activity", "--event", "requests", "--export", str(file))
    assert (refused.code, file.read_text()) == (2, "mine")
    assert "--force" in refused.stderr
    assert keyed.run("activity", "--event", "requests", "--export", str(file), "--force").code == 0
    with file.open(newline="", encoding="utf-8") as lines:
        assert {line["Event"] for line in csv.DictReader(lines)} <= {"API key used", "API key refused"}
    checked = keyed.run("activity", "verify", str(file))
    assert checked.code == 1
    assert "only those have hash chains" in checked.stderr


def test_export_that_fails_leaves_no_file(keyed, tmp_path):
    outcome = keyed.run("activity", "--since", "30d", "--export", str(tmp_path / "missing" / "log.csv"))
    assert outcome.code == 1
    assert "cannot be written" in outcome.stderr
    assert (
        keyed.run("-k", str(tmp_path / "no.key"), "activity", "--export", str(tmp_path / "x.csv")).code == 2
    )
    assert not (tmp_path / "x.csv").exists()
