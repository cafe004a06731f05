"""`reflow activity --export` and `reflow activity verify` at the real server."""

import csv
import hashlib
import json
import os
import stat

import pytest

from reflow_accounts.contract import EVENT_FIELDS, LINK_FIELDS, USE_FIELDS
from tests.cli.fake_clock import without_sleep
from tests.cli.secrets_for_tests import made_up_key
from tests.helpers.faulty_proxy import says, says_raw


def test_export_is_written_and_checked(keyed_terminal, ada, tmp_path):
    file = tmp_path / "log.jsonl"
    outcome = keyed_terminal.run("activity", "--export", str(file))
    assert outcome.code == 0, outcome.stderr
    lines = file.read_text("utf-8").splitlines()
    assert f"{len(lines):,} lines were written to {file}." in outcome.stderr
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "log" in path.name] == ["log.jsonl"]

    checked = keyed_terminal.run("--json", "activity", "verify", str(file))
    assert checked.code == 0, checked.stderr
    result = json.loads(checked.stdout)
    assert result["events"] > 0
    account = json.loads(lines[0])["account"]
    head = result["heads"][account]
    assert keyed_terminal.run("activity", "verify", str(file), "--head", head).code == 0

    del lines[len(lines) // 2]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    checked = keyed_terminal.run("activity", "verify", str(file))
    assert checked.code == 1
    assert f"{file} was changed or is incomplete: " in checked.stderr


def test_export_replaces_a_file_only_with_force(keyed_terminal, tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("mine")
    refused = keyed_terminal.run("activity", "--event", "requests", "--export", str(file))
    assert (refused.code, file.read_text()) == (1, "mine")
    assert f"{file} exists already. Use --force to replace it." in refused.stderr
    assert keyed_terminal.run("activity", "--event", "requests", "--export", str(file), "--force").code == 0
    with file.open(newline="", encoding="utf-8") as lines:
        assert {line["Event"] for line in csv.DictReader(lines)} <= {"API key used", "API key refused"}
    checked = keyed_terminal.run("activity", "verify", str(file))
    assert checked.code == 1
    assert "only those have hash chains" in checked.stderr


def test_export_that_fails_leaves_no_file(keyed_terminal, tmp_path):
    outcome = keyed_terminal.run(
        "activity", "--since", "30d", "--export", str(tmp_path / "missing" / "log.csv")
    )
    assert outcome.code == 1
    assert "cannot be written" in outcome.stderr
    assert (
        keyed_terminal.run(
            "-k", str(tmp_path / "no.key"), "activity", "--export", str(tmp_path / "x.csv")
        ).code
        == 2
    )
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--export", "a.csv", "--limit", "3"), "--export writes all lines to a file. Leave --limit out."),
        (("--export", "a.csv", "--limit", "50"), "Leave --limit out."),
        (("--export", "a.csv", "--follow"), "Leave --follow out."),
        (("--export", "a.csv", "--json"), "Leave --json out."),
        (("--force",), "--force goes with --export FILE. Add --export, or leave --force out."),
        (("--export", ""), "--export takes the name of a file, such as activity.jsonl."),
        (("--export", "-"), "--export writes to a file. For stdout, use reflow api /activity/export."),
        (("--export", "."), ". is a folder. Name a file in it: activity.jsonl"),
        (
            ("--export", "my logs", "--force"),
            "my logs is a folder. Name a file in it: 'my logs/activity.jsonl'",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(listener_terminal, listener, words, told):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    (listener_terminal.folder / "my logs").mkdir()

    outcome = listener_terminal.run("activity", *words)

    assert (outcome.code, outcome.stdout) == (2, "")
    assert told in outcome.stderr
    assert listener.requests == []
    assert [path.name for path in listener_terminal.folder.iterdir()] == ["my logs"]


@pytest.mark.parametrize("name", ["pipe", "link"])
def test_pipe_is_not_replaced(listener_terminal, listener, name):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    os.mkfifo(pipe := listener_terminal.folder / "pipe")
    (link := listener_terminal.folder / "link").symlink_to("pipe")

    outcome = listener_terminal.run("activity", "--export", name, "--force")

    assert (outcome.code, pipe.is_fifo(), link.is_symlink()) == (1, True, True)
    assert f"{name} is not a plain file. Choose another name." in outcome.stderr


def test_name_may_be_as_long_as_the_disk_allows(keyed_terminal):
    assert keyed_terminal.run("activity", "--export", "é" * 127).code == 0
    assert [path.name for path in keyed_terminal.folder.iterdir()] == ["é" * 127]

    outcome = keyed_terminal.run("activity", "--export", "é" * 128)
    assert outcome.code == 1
    assert f"{'é' * 128} cannot be written (File name too long)." in outcome.stderr


def test_link_is_replaced_only_with_force(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    listener.respond_raw("GET", "/activity/export", b"{}\n", **{"Content-Type": "application/jsonl"})
    link = listener_terminal.folder / "log.jsonl"
    link.symlink_to("missing")

    assert listener_terminal.run("activity", "--export", "log.jsonl").code == 1
    assert link.is_symlink()
    assert listener_terminal.run("activity", "--export", "log.jsonl", "--force").code == 0
    assert link.read_text() == "{}\n"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_download_that_broke_off_begins_again(listener_terminal, listener_proxy):
    listener_terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": listener_proxy.url}
    without_sleep(listener_terminal)
    listener_proxy.faults = [says_raw(HEAD + b"6\r\n{1:2}\n\r\n")]
    listener_proxy.always = says_raw(HEAD + b"3\r\n{}\n\r\n0\r\n\r\n")

    outcome = listener_terminal.run("activity", "--export", "log.jsonl")

    assert outcome.code == 0, outcome.stderr
    assert (listener_terminal.folder / "log.jsonl").read_text() == "{}\n"
    assert "1 line was written to log.jsonl." in outcome.stderr


def test_export_that_the_server_ended_early_is_not_kept(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    lines = b'{"type":"log"}\n{"type":"error","message":"This file is not complete."}\n'
    listener.respond_raw("GET", "/activity/export", lines, **{"Content-Type": "application/jsonl"})

    outcome = listener_terminal.run("activity", "--export", "log.jsonl")

    assert (outcome.code, "The server ended the export early." in outcome.stderr) == (1, True)
    assert list(listener_terminal.folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_answer_of_another_program_is_no_export(listener_terminal, listener_proxy, kind):
    listener_terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": listener_proxy.url}
    listener_proxy.always = says("200 OK", b"[]", Content_Type=kind)

    outcome = listener_terminal.run("activity", "--export", "log.jsonl")

    assert outcome.code == 7
    assert "so it is not a Reflow server" in outcome.stderr
    assert list(listener_terminal.folder.iterdir()) == []


def test_full_disk_is_no_fault_of_the_network(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    line = b'{"type":"use"}\n'
    listener.respond_raw("GET", "/activity/export", line * 50_000, **{"Content-Type": "application/jsonl"})

    outcome = listener_terminal.run("activity", "--export", "log.jsonl", largest_file=9000)

    assert outcome.code == 1
    assert "log.jsonl cannot be written (File too large)." in outcome.stderr
    assert len(listener.requests) == 1
    assert list(listener_terminal.folder.iterdir()) == []


LOG = {
    "type": "log",
    "version": 1,
    "account": "usr_1",
    "complete": [],
    "complete_uses": [],
    "kept_from": None,
    "links": {},
}
USE = dict.fromkeys(USE_FIELDS, "") | {"type": "use", "id": "use_1", "account": "usr_1", "status": 200}
EVENT = dict.fromkeys(EVENT_FIELDS, "") | {"type": "event", "id": "evt_1"}
LINK = dict.fromkeys((*LINK_FIELDS, "hash"), "") | {
    "type": "link",
    "chain": "usr_1",
    "number": 1,
    "previous": "0" * 64,
    "kind": "event",
    "first": "evt_1",
    "last": "evt_1",
    "count": 1,
}


def without(line: dict[str, object], field: str) -> dict[str, object]:
    return {name: value for name, value in line.items() if name != field}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([LOG, USE, without(EVENT, "at")], 'line 3 has no "at".'),
        ([LOG, without(USE, "account")], 'line 2 has no "account".'),
        ([LOG, without(USE, "type")], 'line 2 has no "type".'),
        ([LOG, USE | {"type": "x"}], 'line 2 has a wrong "type".'),
        ([LOG, USE | {"type": []}], 'line 2 has a wrong "type".'),
        ([LOG, USE | {"id": 5}], 'line 2 has a wrong "id".'),
        ([LOG, USE | {"id": "evt_x"}], 'line 2 has a wrong "id".'),
        ([LOG, EVENT | {"id": ["evt_1"]}], 'line 2 has a wrong "id".'),
        ([LOG, USE | {"account": {}}], 'line 2 has a wrong "account".'),
        ([LOG, EVENT, without(LINK, "hash")], 'line 3 has no "hash".'),
        ([LOG, EVENT, LINK | {"chain": {}}], 'line 3 has a wrong "chain".'),
        ([LOG, EVENT, LINK | {"count": "1"}], 'line 3 has a wrong "count".'),
        ([LOG, USE, LINK | {"kind": "uses", "first": "use_x"}], 'line 3 has a wrong "first".'),
        ([LOG, LOG], "line 2 is not a line of an exported log."),
        ([without(LOG, "links"), USE], 'line 1 has no "links".'),
        ([LOG | {"links": []}], 'line 1 has a wrong "links".'),
        ([LOG | {"kept_from": "x"}], 'line 1 has a wrong "kept_from".'),
        ([LOG | {"complete": 1}], 'line 1 has a wrong "complete".'),
        ([USE], "it does not begin like an exported log of version 1."),
        ([LOG | {"version": 2}], "it does not begin like an exported log of version 1."),
    ],
)
def test_damaged_line_is_described(terminal, lines, told):
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    end = {"type": "end", "lines": len(lines), "sha256": hashlib.sha256(content).hexdigest()}
    (terminal.folder / "log.jsonl").write_bytes(content + json.dumps(end).encode() + b"\n")

    outcome = terminal.run("activity", "verify", "log.jsonl")

    assert outcome.code == 1
    assert outcome.stderr == f"reflow: log.jsonl was changed or is incomplete: {told}\n"


@pytest.mark.parametrize("option", ["--since=7d", "--limit=5", "--follow", "--export=all.jsonl"])
def test_verify_refuses_options_of_activity(terminal, option):
    (terminal.folder / "log.jsonl").write_text("")

    outcome = terminal.run("activity", option, "verify", "log.jsonl")

    assert outcome.code == 2
    assert "Options of activity do not apply to verify: leave them out." in outcome.stderr


def test_deep_json_is_no_line(terminal):
    (terminal.folder / "log.jsonl").write_text(json.dumps(LOG) + "\n" + "[" * 200_000 + "\n")

    outcome = terminal.run("activity", "verify", "log.jsonl")

    assert outcome.code == 1
    assert "log.jsonl was changed or is incomplete: line 2 is not JSON." in outcome.stderr
