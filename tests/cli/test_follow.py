"""`reflow activity --follow`: every entry once, oldest first, also when the server was away."""

import json
import subprocess
from urllib.request import Request, urlopen

import pytest

from tests.api_keys.usage import use_log
from tests.cli.account import request
from tests.cli.fake_clock import following_closely
from tests.cli.folders import login
from tests.cli.running_command import RunningCommand
from tests.cli.secrets_for_tests import made_up_key
from tests.cli.terminal import CTRL_C, PATIENCE
from tests.helpers.faulty_proxy import pass_on, says, says_raw
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.slow

FOLLOW = ("activity", "--follow")


@pytest.fixture
def watched(ada):
    """A key of Ada that is made and not used yet."""
    return ada.new_key()


@pytest.fixture
def logged_in(live_terminal, ada):
    login(live_terminal.home, ada.url, ada.session)
    return live_terminal


def path_in(line: str) -> str:
    return line.split("\t")[4].removeprefix("GET /api/v1")


def questions(ada, key) -> int:
    """Say how often the activity was asked for with a key."""
    uses = ada.ask("GET", f"/keys/{key['id']}/uses?limit=200")[1]["items"]
    return sum(use["path"].endswith("/activity") for use in uses)


def test_each_use_is_shown_once_as_it_happens(logged_in, ada, watched):
    with RunningCommand(logged_in, *FOLLOW, "--key", watched["name"]) as run:
        assert "API key created" in run.line()
        for path in ("/me", "/keys", "/teams"):
            request(ada.url, "GET", path, watched["secret"])
            assert path_in(run.line()) == path
        request(ada.url, "GET", "/me", watched["secret"])
        request(ada.url, "GET", "/keys", watched["secret"])
        assert [path_in(line) for line in run.lines(2)] == ["/me", "/keys"]
        outcome = run.interrupt()

    assert (outcome.code, outcome.stdout) == (130, "")
    assert outcome.stderr == "reflow: interrupted.\n"


def test_first_lines_are_the_newest_and_older_ones_never_follow(logged_in, ada, watched):
    for path in ("/me", "/keys", "/teams"):
        request(ada.url, "GET", path, watched["secret"])
    with RunningCommand(logged_in, *FOLLOW, "--key", watched["id"], "--limit", "2") as run:
        assert [path_in(line) for line in run.lines(2)] == ["/keys", "/teams"]
        request(ada.url, "GET", "/me", watched["secret"])
        assert path_in(run.line()) == "/me"


def test_own_requests_are_omitted_and_others_shown(keyed_terminal, ada):
    secret = keyed_terminal.key["secret"]
    with RunningCommand(keyed_terminal, *FOLLOW, "--key", keyed_terminal.key["id"]) as run:
        assert "API key created" in run.line()
        assert path_in(run.line()) == f"/keys/{keyed_terminal.key['id']}"
        wait_until(lambda: questions(ada, keyed_terminal.key) > 2)
        headers = {"Authorization": f"Bearer {secret}", "User-Agent": "curl/8"}
        urlopen(Request(f"{ada.url}/api/v1/activity", headers=headers), timeout=PATIENCE).close()
        assert run.line().endswith("\tGET /api/v1/activity\t200\t127.0.0.1\tcurl/8")
        request(ada.url, "GET", "/me", secret)
        assert path_in(run.line()) == "/me"
        assert run.interrupt().stdout == ""


def test_entries_of_several_pages_are_shown_once_and_in_order(logged_in, live, watched):
    with RunningCommand(logged_in, "--json", *FOLLOW, "--key", watched["id"]) as run:
        run.line()
        use_log.append_many(live.app, use_log.key_number(live.app, watched["id"]), 450)
        entries = [json.loads(line) for line in run.lines(450)]
        rest = run.interrupt().stdout
    times = [entry["at"] for entry in entries]
    assert times == sorted(times)
    assert len(set(times)) == 450
    assert {entry["use"]["path"] for entry in entries} == {"/many"}
    assert rest == ""


def test_revoked_key_ends_follow(keyed_terminal, ada):
    with RunningCommand(keyed_terminal, *FOLLOW) as run:
        run.line()
        ada.revoke(keyed_terminal.key)
        outcome = run.end()

    assert outcome.code == 4
    assert "was revoked. Create a new one in Account > API Keys" in outcome.stderr


def test_ctrl_c_on_a_terminal_ends_follow(keyed_terminal):
    keyed_terminal.run("whoami")

    outcome = keyed_terminal.run_interactively(
        *FOLLOW, "--key", keyed_terminal.key["name"], answers=(("GET /api/v1/me", CTRL_C),)
    )

    assert outcome.code == 130
    assert "\t" not in outcome.stdout
    assert "API key used" in outcome.stdout
    assert "Traceback" not in outcome.stdout


def test_closed_pipe_ends_follow_quietly(keyed_terminal):
    """Also when no further line comes that would notice."""
    script = '"$@" | head -n 1; echo "${PIPESTATUS[0]}"'
    command = [
        "bash",
        "-c",
        script,
        "bash",
        *keyed_terminal.command,
        *FOLLOW,
        "--key",
        keyed_terminal.key["id"],
    ]
    done = subprocess.run(
        command,
        env=keyed_terminal.environ,
        cwd=keyed_terminal.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )

    first, code = done.stdout.splitlines()
    assert "API key created" in first
    assert code == "0"
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["warning"]  # polls are uses


# What a real server cannot be made to do: a loopback one, whose list a test changes.


def entry(at: str, subject: str = "CI", path: str = "/me", **facts: str) -> dict[str, object]:
    use = {"method": "GET", "path": path, "status": 200, "address": "192.0.2.1", "user_agent": "curl/8"}
    names = {"title": "API key used", "subject": subject, "by": "Ada Park", "action": "api_key.used"}
    shown = {"id": f"use_{at}", "type": "use", "at": f"2026-05-01T12:00:{at}Z", "use": use, **names}
    return shown | facts


@pytest.fixture
def followed(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    listener.respond("GET", "/activity", {"items": [entry("20.000001")], "next_cursor": None})
    with RunningCommand(listener_terminal, *FOLLOW) as run:
        assert run.line().startswith("2026-05-01T12:00:20.000001Z\t")
        yield run


def now_says(listener, *entries: dict[str, object]) -> None:
    listener.respond("GET", "/activity", {"items": [*entries, entry("20.000001")], "next_cursor": None})


def test_late_entry_is_shown(followed, listener):
    now_says(listener, entry("25.5"), entry("15.5"))
    assert [line[:25] for line in followed.lines(2)] == [
        "2026-05-01T12:00:15.5Z\tAP",
        "2026-05-01T12:00:25.5Z\tAP",
    ]


def test_equal_lines_are_both_shown(followed, listener):
    now_says(listener, entry("20.000001", id="use_2"))
    assert followed.line().startswith("2026-05-01T12:00:20.000001Z\t")
    now_says(listener, entry("21.0"), entry("20.000001", id="use_2"))
    assert followed.line().startswith("2026-05-01T12:00:21.0Z\t")


def test_key_with_a_new_name_does_not_repeat_its_lines(followed, listener):
    listener.respond(
        "GET", "/activity", {"items": [entry("22.0"), entry("20.000001", "new name")], "next_cursor": None}
    )
    assert followed.line().startswith("2026-05-01T12:00:22.0Z\t")


def test_given_time_is_used_while_there_is_no_entry(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    listener.respond("GET", "/activity", {"items": [], "next_cursor": None})
    with RunningCommand(listener_terminal, *FOLLOW, "--since", "2999-01-01") as run:
        wait_until(lambda: len(listener.requests) > 1)
        listener.respond("GET", "/activity", {"items": [entry("20.000001")], "next_cursor": None})
        assert run.line()
    assert all("since=2999-01-01T00%3A00%3A00Z" in one["path"] for one in listener.requests[:2])


def test_poll_starts_after_an_entry_of_ten_seconds_ago(followed, listener):
    """Until there is one, the whole list is requested."""
    wait_until(lambda: len(listener.requests) > 1)
    assert "after" not in listener.requests[-1]["path"]
    now_says(listener, entry("35.0"), entry("31.0"))
    assert [line[17:21] for line in followed.lines(2)] == ["31.0", "35.0"]
    before = len(listener.requests)
    wait_until(lambda: len(listener.requests) > before)
    assert "after=use_20.000001" in listener.requests[-1]["path"]


def test_removed_start_of_a_poll_is_replaced_by_its_time(followed, listener):
    now_says(listener, entry("35.0"))
    assert followed.line()
    problem = {"title": "Not found", "status": 404, "detail": "No such entry.", "code": "not_found"}
    listener.respond("GET", "/activity", problem, 404)
    wait_until(
        lambda: "after=" in listener.requests[-2]["path"] and "since=" in listener.requests[-1]["path"]
    )
    assert "since=2026-05-01T12%3A00%3A20.000001Z" in listener.requests[-1]["path"]


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (503, "unavailable")])
def test_poll_waits_as_long_as_the_server_asks_for(followed, listener, status, code):
    problem = {"title": "Later", "status": status, "detail": "Not now.", "code": code}
    listener.respond("GET", "/activity", problem, status, **{"Retry-After": "3"})
    wait_until(lambda: "Waiting until it answers again" in followed.errors)
    now_says(listener, entry("23.0"))

    assert followed.line().startswith("2026-05-01T12:00:23.0Z\t")
    assert followed.errors.count("Waiting until it answers") == 1


def test_outage_of_the_server_loses_no_line(followed, listener):
    listener.respond_raw("GET", "/activity", b"<h1>Maintenance</h1>", 502, **{"Content-Type": "text/html"})
    wait_until(lambda: "Waiting until it answers again" in followed.errors)
    now_says(listener, entry("23.0"))

    assert followed.line().startswith("2026-05-01T12:00:23.0Z\t")


@pytest.mark.parametrize("fault", [says_raw(b""), says("502 No")], ids=["broken off", "502"])
def test_outage_is_announced_once(listener_terminal, listener_proxy, listener, fault):
    listener_terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": listener_proxy.url}
    following_closely(listener_terminal)
    listener.respond("GET", "/activity", {"items": [entry("20.000001")], "next_cursor": None})
    with RunningCommand(listener_terminal, *FOLLOW) as run:
        run.line()
        for outage, second in ((1, "23.0"), (2, "25.0")):
            listener_proxy.always = fault
            wait_until(lambda outage=outage: run.errors.count("Waiting until it answers again") == outage)
            told, polls = run.errors, len(listener_proxy.seen)
            wait_until(lambda polls=polls: len(listener_proxy.seen) >= polls + 5)
            assert run.errors == told
            listener_proxy.always = pass_on
            now_says(listener, entry(second))
            assert run.line().startswith(f"2026-05-01T12:00:{second}Z")
        assert run.errors.count("Trying again in 1 s.") == 2


def test_refusal_ends_follow_with_its_exit_code(followed, listener):
    problem = {"title": "No", "status": 403, "detail": "Not paid.", "code": "subscription_inactive"}
    listener.respond("GET", "/activity", problem, 403)

    assert followed.end().code == 5


def test_names_of_others_cannot_break_a_line_or_control_the_terminal(followed, listener):
    now_says(listener, entry("21.0", "a\tb\n\x1b[31mc"))

    line = followed.line()
    assert "\x1b" not in line
    assert len(line.split("\t")) == 8
    assert "a\\tb\\n\\x1b[31mc" in line
