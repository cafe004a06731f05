"""`reflow api` with `--paginate` and `--include`."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cli.account import unused_name
from tests.cli.secrets_for_tests import made_up_key


@pytest.fixture
def answered(listener_terminal, listener):
    """The terminal before the loopback server, with a key that it takes."""
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    return listener_terminal


def _pages(listener, *pages: dict) -> None:
    """Answer GET /keys with these pages; each cursor is the number of the next one."""
    original = listener._answer_to

    def answer(method: str, path: str, secret: str):
        cursor = parse_qs(urlsplit(path).query).get("cursor", ["0"])[0]
        listener.respond("GET", "/keys", pages[int(cursor) % len(pages)])
        return original(method, path, secret)

    listener._answer_to = answer


def test_all_pages_of_a_list_become_one_document(keyed_terminal, ada):
    names = {ada.new_key(unused_name("page"))["name"] for _ in range(5)}

    outcome = keyed_terminal.run("api", "GET", "/keys?limit=2", "--paginate")

    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr == ""
    answer = json.loads(outcome.stdout)
    assert {key["name"] for key in answer["items"]} >= names
    assert len({key["id"] for key in answer["items"]}) == len(answer["items"])
    assert answer["next_cursor"] is None


@pytest.mark.parametrize("words", [("-f", "limit=2"), ()], ids=["small pages", "large pages"])
def test_fields_go_with_every_page(keyed_terminal, ada, words):
    keys = [ada.new_key() for _ in range(3)]
    for key in keys:
        ada.revoke(key)

    outcome = keyed_terminal.run("api", "GET", "/keys", "--paginate", "-f", "state=revoked", *words)

    items = json.loads(outcome.stdout)["items"]
    assert {key["id"] for key in items} >= {key["id"] for key in keys}
    assert all(key["revoked_at"] for key in items)


def test_page_size_is_the_maximum_by_default(answered, listener):
    listener.respond("GET", "/keys", {"items": [], "next_cursor": None})
    for words in (("/keys",), ("/keys?limit=7",), ("/keys", "-f", "limit=9")):
        assert answered.run("api", "GET", *words, "--paginate").code == 0

    assert [parse_qs(urlsplit(asked["path"]).query)["limit"] for asked in listener.requests] == [
        ["200"],
        ["7"],
        ["9"],
    ]


@pytest.mark.parametrize("way", ["path", pytest.param("field", marks=pytest.mark.slow)])
def test_reading_continues_from_a_cursor(keyed_terminal, ada, way):
    for _ in range(5):
        ada.new_key()
    first = json.loads(keyed_terminal.run("api", "GET", "/keys?limit=2").stdout)
    where = (
        (f"/keys?limit=2&cursor={first['next_cursor']}",)
        if way == "path"
        else ("/keys", "-f", "limit=2", "-f", f"cursor={first['next_cursor']}")
    )

    rest = json.loads(keyed_terminal.run("api", "GET", *where, "--paginate").stdout)

    whole = json.loads(keyed_terminal.run("api", "GET", "/keys", "--paginate").stdout)
    assert [key["id"] for key in first["items"] + rest["items"]] == [key["id"] for key in whole["items"]]


@pytest.mark.parametrize("path", ["/me", "/keys/{id}"])
def test_other_answers_have_no_pages(keyed_terminal, path):
    outcome = keyed_terminal.run("api", "GET", path.format(id=keyed_terminal.key["id"]), "--paginate")

    assert outcome.code == 2
    assert outcome.stdout == ""
    assert "does not answer with a list. Leave --paginate out." in outcome.stderr


def test_refusal_of_a_list_is_printed_and_has_its_exit_code(keyed_terminal):
    outcome = keyed_terminal.run("api", "GET", "/keys", "-f", "cursor=nonsense", "--paginate")

    assert outcome.code == 1
    assert json.loads(outcome.stdout)["code"] == "validation_failed"


@pytest.mark.parametrize(
    "words",
    [
        ("POST", "/keys", "--paginate"),
        ("DELETE", "/keys", "--paginate"),
        ("GET", "/keys", "-i", "--paginate"),
    ],
)
def test_paginate_without_a_list_is_wrong_usage(answered, listener, words):
    outcome = answered.run("api", *words)

    assert outcome.code == 2
    assert "--paginate works only with GET" in outcome.stderr
    assert listener.requests == []


def test_endless_list_is_printed_up_to_the_failure(answered, listener):
    _pages(listener, *({"items": [{"id": f"key_{n}"}], "next_cursor": str(n + 1)} for n in range(600)))

    outcome = answered.run("api", "GET", "/keys", "--paginate")

    assert outcome.code == 1
    assert "The list has more than 500 items." in outcome.stderr
    answer = json.loads(outcome.stdout)
    assert len(answer["items"]) == 500
    assert answer["next_cursor"] == "500"
    assert len(listener.requests) == 500

    outcome = answered.run("keys", "list")
    assert outcome.code == 1
    assert outcome.stdout == ""
    assert "The list is too long: it has more than 500 items." in outcome.stderr


def test_circular_list_is_refused(answered, listener):
    _pages(listener, *({"items": [], "next_cursor": str((n + 1) % 3)} for n in range(3)))

    for words in (("api", "GET", "/keys", "--paginate"), ("keys", "list")):
        outcome = answered.run(*words)

        assert outcome.code == 7
        assert "a list whose pages repeat" in outcome.stderr


def test_line_limit_ends_the_reading(answered, listener):
    page = {"items": [{"id": f"use_{n}"} for n in range(200)], "next_cursor": "1"}
    listener.respond("GET", "/activity", page)

    outcome = answered.run("--json", "activity", "--limit", "150")

    assert len(json.loads(outcome.stdout)["items"]) == 150
    assert len(listener.requests) == 1
    assert "limit=150" in listener.requests[0]["path"]


@pytest.mark.parametrize("option", ["-i", "--include"])
def test_status_and_headers_come_before_the_answer(keyed_terminal, option):
    outcome = keyed_terminal.run("api", "GET", "/me", option)

    assert outcome.code == 0, outcome.stderr
    head, _, body = outcome.stdout.partition("\n\n")
    lines = head.splitlines()
    assert lines[0] == "HTTP/1.1 200 OK"
    assert any(line.lower() == "content-type: application/json" for line in lines)
    assert json.loads(body)["user"]["name"] == "Ada Park"
    assert "authorization" not in outcome.stdout.lower()
    assert keyed_terminal.key["secret"] not in outcome.output


def test_headers_of_a_refusal_and_of_no_content_are_printed(keyed_terminal, ada):
    refusal = keyed_terminal.run("api", "GET", "/keys/key_nosuchkey", "-i")
    gone = keyed_terminal.run("api", "DELETE", f"/keys/{ada.new_key()['id']}", "-i")

    assert refusal.code == 6
    assert refusal.stdout.startswith("HTTP/1.1 404 ")
    assert json.loads(refusal.stdout.partition("\n\n")[2])["code"] == "not_found"
    assert gone.code == 0
    assert gone.stdout.startswith("HTTP/1.1 204 ")
    assert gone.stdout.endswith("\n\n")


def test_headers_of_another_server_are_printed(answered, listener):
    listener.respond_raw(
        "GET", "/me", b"<h1>Hotel</h1>", 200, **{"Content-Type": "text/html", "X-Hotel": "yes"}
    )

    outcome = answered.run("api", "GET", "/me", "-i")

    assert outcome.code == 7
    assert "X-Hotel: yes\n" in outcome.stdout


def test_headers_cannot_steer_a_terminal_or_repeat_the_secret(answered, listener):
    secret = answered.environ["REFLOW_API_KEY"]
    listener.respond("GET", "/me", {}, 200, **{"X-Odd": "\x1b[2J\x9b", "X-Echo": f"Bearer {secret}"})

    outcome = answered.run("api", "GET", "/me", "-i")

    assert outcome.code == 0
    assert not set("\x1b\x9b") & set(outcome.stdout)
    assert secret not in outcome.output
