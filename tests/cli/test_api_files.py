"""`reflow api` with a file as the answer: written as it is, never into memory as a whole, never twice."""

import csv
import json
import subprocess

import pytest

from reflow_accounts.cli.http.transport import LARGEST_ANSWER
from tests.cli.fake_clock import without_sleep
from tests.cli.secrets_for_tests import made_up_key
from tests.helpers.faulty_proxy import says, says_raw

EXPORT = "/activity/export"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


@pytest.fixture
def prepared_terminal(listener_terminal, listener_proxy):
    listener_terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": listener_proxy.url}
    without_sleep(listener_terminal)
    return listener_terminal


def test_json_lines_are_printed_as_they_are(keyed_terminal):
    outcome = keyed_terminal.run("api", EXPORT)

    assert (outcome.code, outcome.stderr) == (0, "")
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert (lines[0]["type"], lines[-1]["type"]) == ("log", "end")

    (keyed_terminal.folder / "log.jsonl").write_text(outcome.stdout, "utf-8")
    assert keyed_terminal.run("activity", "verify", "log.jsonl").code == 0


def test_csv_is_printed_as_it_is(keyed_terminal):
    outcome = keyed_terminal.run("api", EXPORT, "-f", "format=csv")

    assert (outcome.code, outcome.stderr) == (0, "")
    rows = list(csv.reader(outcome.stdout.splitlines()))
    assert rows[0][:2] == ["Time (UTC)", "Event"]
    assert len(rows) > 1


def test_status_and_headers_come_first(keyed_terminal):
    outcome = keyed_terminal.run("api", EXPORT, "--include")

    assert outcome.code == 0, outcome.stderr
    head, _, body = outcome.stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK\n")
    assert "content-type: application/jsonl" in head.lower()
    assert json.loads(body.splitlines()[0])["type"] == "log"


@pytest.mark.parametrize("words", [("--field", "type"), ("--jq", ".type"), ("--paginate",)], ids=" ".join)
@pytest.mark.parametrize("path", [EXPORT, "api/v1/activity/export?format=csv"])
def test_options_for_json_are_refused_before_the_request(listener_terminal, listener, words, path):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()

    outcome = listener_terminal.run("api", path, *words)

    assert outcome.code == 2
    assert f"{words[0]} needs JSON, and {EXPORT} answers with a file. Leave {words[0]} out." in outcome.stderr
    assert listener.requests == []


def test_field_of_an_unknown_file_is_refused(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    listener.respond_raw("GET", "/other", b"a,b\n", **{"Content-Type": "text/csv"})

    outcome = listener_terminal.run("api", "/other", "--field", "a")

    assert (outcome.code, outcome.stdout) == (1, "")
    assert "reflow: The answer is a file (text/csv), not JSON. Leave --field out." in outcome.stderr


def test_refusal_of_a_file_prints_the_problem(keyed_terminal):
    outcome = keyed_terminal.run("api", EXPORT, "-f", "format=pdf")

    assert outcome.code == 1
    assert json.loads(outcome.stdout)["code"] == "validation_failed"


def test_file_that_breaks_off_is_not_written_twice(prepared_terminal, listener_proxy):
    listener_proxy.always = says_raw(HEAD + chunk(b'{"type":"log"}\n'))

    outcome = prepared_terminal.run("api", EXPORT)

    assert (outcome.code, outcome.stdout) == (7, '{"type":"log"}\n')
    assert "its answer broke off" in outcome.stderr
    assert "Trying again" not in outcome.stderr
    assert len(listener_proxy.seen) == 1


def test_file_is_repeated_before_it_begins(prepared_terminal, listener_proxy):
    listener_proxy.faults = [says_raw(b""), says("502 No")]
    listener_proxy.always = says_raw(HEAD + chunk(b"{}\n") + chunk(b""))

    outcome = prepared_terminal.run("api", EXPORT)

    assert (outcome.code, outcome.stdout) == (0, "{}\n")
    assert outcome.stderr.count("Trying again") == 2


def test_bytes_are_kept_in_a_pipe_and_escaped_on_a_terminal(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    content = "a,\x1b[31mb\u202e,株式\r\nc,d,e\r\n".encode()
    listener.respond_raw("GET", EXPORT, content, **{"Content-Type": "text/csv"})

    assert listener_terminal.run("api", EXPORT).stdout.encode() == content
    assert (
        "a,\\x1b[31mb\\u202e,株式\r\nc,d,e\r\n" in listener_terminal.run_interactively("api", EXPORT).stdout
    )


def run_in_bash(listener_terminal, script):
    """Run a script that gets the command with its arguments as "$@"."""
    return subprocess.run(
        ["bash", "-c", script, "bash", *listener_terminal.command, "api", EXPORT],
        env=listener_terminal.environ,
        cwd=listener_terminal.folder,
        capture_output=True,
        check=False,
    )


def test_large_file_is_not_kept_in_memory(listener_terminal, listener):
    """The address space of the command is limited to less than the file."""
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    line = b'{"type":"use"}' + b" " * 1009 + b"\n"
    listener.respond_raw("GET", EXPORT, line * 300_000, **{"Content-Type": "application/jsonl"})
    script = 'ulimit -v 250000 && "$@" | wc -c && exit "${PIPESTATUS[0]}"'

    done = run_in_bash(listener_terminal, script)
    assert done.returncode == 0, done.stderr

    assert (int(done.stdout), done.stderr) == (300_000 * len(line), b"")


@pytest.mark.parametrize("words", [("whoami",), ("api", "GET", "/me")])
def test_too_large_answer_is_refused(listener_terminal, listener, words):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    listener.respond_raw("GET", "/me", b" " * (LARGEST_ANSWER + 1))
    outcome = listener_terminal.run(*words)
    assert (outcome.code, "is too large, so it is not a Reflow server" in outcome.stderr) == (7, True)


@pytest.mark.parametrize(("target", "code"), [("| head -n 1", 0), (">/dev/full", 1), (">&-", 1)])
def test_lost_output_is_no_fault_of_the_network(listener_terminal, listener, target, code):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    listener.respond_raw(
        "GET", EXPORT, b'{"type":"use"}\n' * 100_000, **{"Content-Type": "application/jsonl"}
    )
    script = f'set -o pipefail; "$@" {target}'

    done = run_in_bash(listener_terminal, script)

    assert done.returncode == code, done.stderr
    assert (b"the output could not be written" in done.stderr) is bool(code)
    assert done.stderr.count(b"\n") == code
    assert len(listener.requests) == 1
