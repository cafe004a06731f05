"""`reflow activity` and `reflow api` at the real server."""

import json
import shutil

import pytest

from tests.cli.account import request, unused_name
from tests.cli.secrets_for_tests import made_up_key


def test_activity_shows_the_uses_of_a_key(keyed_terminal, ada):
    key = ada.new_key()
    for _ in range(3):
        request(ada.url, "GET", "/me", key["secret"])

    outcome = keyed_terminal.run("activity", "--key", key["name"])

    assert outcome.code == 0, outcome.stderr
    uses = [line for line in outcome.stdout.splitlines() if "GET /api/v1/me" in line]
    assert len(uses) == 3
    assert all(line.split("\t")[5] == "200" for line in uses)


@pytest.mark.parametrize("by", ["name", "id"])
def test_activity_of_a_revoked_key_remains(keyed_terminal, ada, by):
    key = ada.new_key()
    request(ada.url, "GET", "/me", key["secret"])
    ada.revoke(key)

    assert "GET /api/v1/me" in keyed_terminal.run("activity", "--key", key[by]).stdout


def test_limit_applies_across_pages(keyed_terminal, ada):
    for _ in range(250):
        request(ada.url, "GET", "/me", keyed_terminal.key["secret"])

    assert len(keyed_terminal.run("activity", "--limit", "2").stdout.splitlines()) == 2
    answer = json.loads(keyed_terminal.run("--json", "activity", "--limit", "1").stdout)
    assert len(answer["items"]) == 1
    assert answer["next_cursor"]
    items = json.loads(keyed_terminal.run("--json", "activity", "--limit", "250").stdout)["items"]
    numbers = _numbers_of_uses(items)
    assert len(items) == len({item["id"] for item in items}) == 250
    # A session asks for pages that end elsewhere, which is no use. Uses that were written together are in the
    # order of their times within a page, so the numbers are compared and not the places.
    others, cursor = [], ""
    while cursor is not None and len(others) <= 360:
        page = ada.ask("GET", f"/activity?limit=90{cursor}")[1]
        others += page["items"]
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert [one for one in _numbers_of_uses(others) if numbers[-1] <= one <= numbers[0]] == numbers


def _numbers_of_uses(items: list[dict[str, str]]) -> list[int]:
    """The newest first."""
    return sorted(
        (int(item["id"].partition("_")[2]) for item in items if item["type"] == "use"), reverse=True
    )


def test_since_omits_earlier_entries(keyed_terminal):
    keyed_terminal.run("whoami")

    assert keyed_terminal.run("activity", "--since", "7d").stdout
    outcome = keyed_terminal.run("activity", "--since", "2999-01-01")
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout == ""
    assert "There was no activity" in outcome.stderr


def test_activity_of_a_missing_key_is_not_found(keyed_terminal):
    assert keyed_terminal.run("activity", "--key", "no such key").code == 6


@pytest.mark.parametrize("path", ["/me", "me", "/api/v1/me", "api/v1/me"])
def test_every_spelling_of_a_path_is_accepted(keyed_terminal, path):
    outcome = keyed_terminal.run("api", "get", path)

    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["user"]["name"] == "Ada Park"


def test_address_of_the_server_itself_is_accepted(keyed_terminal, live):
    assert keyed_terminal.run("api", "GET", f"{live.url}/api/v1/me").code == 0


def test_key_in_a_pipe_is_read_once(keyed_terminal, live):
    through = ("bash", "-c", '"$@" 3< <(echo "$REFLOW_API_KEY")', "bash")
    outcome = keyed_terminal.run("-k", "/dev/fd/3", "api", "GET", f"{live.url}/api/v1/me", through=through)
    assert (outcome.code, outcome.stderr) == (0, "")


def test_fields_become_json_or_a_query(keyed_terminal):
    name = unused_name("ümlaut & co=")
    key = json.loads(keyed_terminal.run("api", "POST", "/keys", "-f", f"name={name}").stdout)
    assert key["name"] == name

    listed = json.loads(
        keyed_terminal.run("api", "GET", "/keys", "-f", "limit=1", "-F", 'state="all"').stdout
    )
    assert len(listed["items"]) == 1

    gone = keyed_terminal.run("api", "DELETE", f"/keys/{key['id']}")
    assert (gone.code, gone.stdout, gone.stderr) == (0, "", "")


def test_typed_fields_keep_their_type(keyed_terminal):
    outcome = keyed_terminal.run("api", "POST", "/keys", "-F", "name=5")

    assert outcome.code == 1
    assert json.loads(outcome.stdout)["code"] == "validation_failed"


def test_refusal_prints_the_problem_and_has_its_exit_code(keyed_terminal):
    outcome = keyed_terminal.run("api", "GET", "/keys/key_nosuchkey")

    assert outcome.code == 6
    assert json.loads(outcome.stdout)["code"] == "not_found"
    assert outcome.stderr.startswith("reflow: ")


def test_missing_path_is_not_found(keyed_terminal):
    outcome = keyed_terminal.run("api", "GET", "/no such/påth?x=ü")

    assert outcome.code == 6, outcome.output
    assert json.loads(outcome.stdout)["code"] == "not_found"


def test_method_is_get_unless_it_is_named(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()

    assert listener_terminal.run("api", "me").code == 0
    assert listener_terminal.run("api", "me", "-f", "a=b").code == 0
    assert [(one["method"], one["path"]) for one in listener.requests] == [
        ("GET", "/api/v1/me"),
        ("GET", "/api/v1/me?a=b"),
    ]


@pytest.mark.parametrize("source", ["body.json", "-"])
def test_body_is_sent_as_it_is_and_fields_become_the_query(listener_terminal, listener, source):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    listener.respond("POST", "/keys", {"id": "key_1"})
    (listener_terminal.folder / "body.json").write_text(body := '{"name":  "x"}\n')

    outcome = listener_terminal.run("api", "POST", "/keys", "--input", source, "-f", "a=b", stdin=body)

    assert outcome.code == 0, outcome.stderr
    [asked] = listener.requests
    assert (asked["path"], asked["body"]) == ("/api/v1/keys?a=b", body)
    for words in (("/keys", "--input", source), ("POST", "/keys", "--input", "nowhere")):
        assert listener_terminal.run("api", *words, stdin=body).code == 2
    assert listener_terminal.run("api", "POST", "/keys", "--input", "-", stdin="no json").code == 2


def test_header_is_sent(keyed_terminal):
    outcome = keyed_terminal.run("api", "/me", "-H", "Accept: text/html", "-i")

    assert outcome.code == 0, outcome.output
    for header in (
        "Authorization: Bearer x",
        "Host: a.example",
        "no colon",
        "a b: c",
        "X: \u00e9",
        "X: a\nY: b",
        "accept-encoding: gzip",
    ):
        assert keyed_terminal.run("api", "/me", "-H", header).code == 2


def test_header_replaces_the_usual_one_in_any_case(listener_terminal, listener_proxy):
    listener_terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": listener_proxy.url}

    listener_terminal.run(
        "api", "POST", "/keys", "-f", "a=b", "-H", "content-type: text/plain", "-H", "USER-AGENT: me"
    )

    names = [line.partition(b":")[0].lower() for line in listener_proxy.seen[0].splitlines()]
    assert (names.count(b"content-type"), names.count(b"user-agent")) == (1, 1)
    assert b"content-type: text/plain" in listener_proxy.seen[0].lower()


@pytest.mark.parametrize(
    ("field", "text"),
    [("user.name", "Ada Park"), ("teams.0.name", "Acme"), ("teams.0.name.x", None), ("teams.1", None)],
)
def test_one_field_is_printed(keyed_terminal, field, text):
    outcome = keyed_terminal.run("api", "/me", "--field", field)

    assert outcome.code == (0 if text else 1)
    assert outcome.stdout == (f"{text}\n" if text else "")
    assert outcome.stderr == ("" if text else f"reflow: The answer has no field {field}.\n")


@pytest.mark.parametrize("field", ["", "."])
def test_field_without_a_name_is_refused(listener_terminal, listener, field):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()

    outcome = listener_terminal.run("api", "/me", "--field", field)

    assert (outcome.code, outcome.stdout) == (2, "")
    assert "--field takes the name of a field, such as user.name." in outcome.stderr
    assert listener.requests == []


@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq here")
@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        (".user.name", "Ada Park\n"),
        (".teams[] | .name, .rights", "Acme\nadmin\n"),
        (".teams[] | [.name, .rights] | @tsv", "Acme\tadmin\n"),
        ('"\\u001b[1m\\u2028", ""', "\\x1b[1m\\u2028\n\n"),
        ("empty", ""),
        # No option of jq, though it looks like one.
        ("-1", "-1\n"),
        ("--version", None),
        (".user[", None),
    ],
)
def test_jq_filters_the_answer(keyed_terminal, expression, printed):
    outcome = keyed_terminal.run("api", "/me", "--jq", expression)

    assert outcome.code == (1 if printed is None else 0), outcome.stderr
    assert outcome.stdout == (printed or "")
    assert ("jq ended with code" in outcome.stderr) is (printed is None)


def test_missing_jq_is_asked_for(keyed_terminal, tmp_path):
    keyed_terminal.environ["PATH"] = str(tmp_path / "empty")
    missing = keyed_terminal.run("api", "/me", "--jq", ".user.name")
    assert (missing.code, "jq, which is not installed" in missing.stderr) == (2, True)
