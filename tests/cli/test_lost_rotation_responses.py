"""`keys rotate` when its answer is lost: the message says how to get another secret, and that works."""

import pytest

from tests.cli.account import request
from tests.cli.folders import key_file, secret_in
from tests.helpers.faulty_proxy import at, cut_after, pass_on, reset_after, says

pytestmark = pytest.mark.slow


def status(account, secret: str) -> int:
    return request(account.url, "GET", "/me", secret)[0]


def replacement_of(account, key) -> str:
    return account.ask("GET", f"/keys/{key['id']}")[1]["replaced_by"]


def secret_of(file) -> str:
    """Return the secret in the last line of a key file."""
    return file.read_text().splitlines()[-1]


def gateway_error(exchange) -> None:
    exchange.answer()
    says("502 Bad Gateway")(exchange)


@pytest.fixture
def lost(proxied_terminal, ada):
    """The terminal with a key file whose rotation is done, but never answered."""
    proxied_terminal.key = ada.new_key()
    proxied_terminal.file = key_file(
        proxied_terminal.folder / "my.key", f"# ours\n{proxied_terminal.key['secret']}"
    )
    proxied_terminal.proxy.always = at("POST", reset_after(0))
    return proxied_terminal


def rotate(terminal, *words: str):
    return terminal.run("-k", "my.key", "keys", "rotate", terminal.key["name"], *words)


def shown_command(outcome) -> list[str]:
    [line] = [line for line in outcome.stderr.splitlines() if "another secret: " in line]
    return line.partition(": reflow ")[2].split()


@pytest.mark.parametrize("fault", [reset_after(0), cut_after(10), gateway_error])
def test_lost_responses_are_explained(lost, ada, fault):
    lost.proxy.always = at("POST", fault)

    outcome = rotate(lost)

    assert outcome.code == 1, outcome.output
    assert secret_of(lost.file) == lost.key["secret"]
    new_id = replacement_of(ada, lost.key)
    assert "the answer with the new secret was lost. The old key still works." in outcome.stderr
    command = shown_command(outcome)
    assert command == ["keys", "rotate", new_id, "-o", str(lost.file), "--force", "-k", "my.key"]
    lost.proxy.always = pass_on
    assert lost.run(*command).code == 0
    assert status(ada, secret_of(lost.file)) == 200


def test_repeated_request_finds_the_lost_rotation(lost, ada):
    answers = iter([reset_after(0)])
    lost.proxy.always = at("POST", lambda exchange: next(answers, pass_on)(exchange))

    outcome = rotate(lost)

    assert outcome.code == 1, outcome.output
    assert shown_command(outcome)[2] == replacement_of(ada, lost.key)


def test_server_that_stays_away_leaves_a_command_that_works(lost, ada):
    lost.proxy.always = at("POST", reset_after(0), otherwise=at("GET /api/v1/keys/", says("502 No")))

    outcome = rotate(lost)

    assert outcome.code == 7
    assert f"If the key {lost.key['name']} was rotated anyway, this gets another secret: " in outcome.stderr
    lost.proxy.always = pass_on
    assert lost.run(*shown_command(outcome)).code == 0
    assert status(ada, secret_of(lost.file)) == 200


def test_key_with_the_name_of_an_option_is_named_by_its_id(lost, ada):
    ada.ask("PATCH", f"/keys/{lost.key['id']}", {"name": "-x"})
    lost.proxy.always = at("POST", reset_after(0), otherwise=at("GET /api/v1/keys/", says("502 No")))

    outcome = lost.run("-k", "my.key", "keys", "rotate", "--", "-x")

    assert shown_command(outcome)[2] == lost.key["id"]


@pytest.mark.parametrize("by", ["name", "id"])
def test_next_rotation_saves_the_key_in_the_file_in_use(lost, ada, by):
    rotate(lost)
    lost.proxy.always = pass_on
    which = lost.key["name"] if by == "name" else replacement_of(ada, lost.key)

    outcome = lost.run("-k", "my.key", "keys", "rotate", which)

    assert (outcome.code, outcome.stdout) == (0, ""), outcome.stderr
    assert lost.file.read_text().startswith("# ours\nrfk_")
    assert secret_of(lost.file) != lost.key["secret"]
    assert status(ada, secret_of(lost.file)) == 200
    assert "The old key works until" in outcome.stderr


def test_replaced_key_by_its_id_is_answered_with_the_new_one(lost, ada):
    rotate(lost)
    lost.proxy.always = pass_on

    outcome = lost.run("-k", "my.key", "keys", "rotate", lost.key["id"])

    assert outcome.code == 1
    assert f"was already replaced by {replacement_of(ada, lost.key)}." in outcome.stderr
    assert "Its secret is where that rotation saved it." in outcome.stderr
    assert lost.run(*shown_command(outcome)).code == 0
    assert status(ada, secret_of(lost.file)) == 200


def test_overlap_of_zero_also_revokes_the_key_in_the_file(lost, ada):
    rotate(lost)
    lost.proxy.always = pass_on
    lost_id = replacement_of(ada, lost.key)

    assert rotate(lost, "--overlap", "0").code == 0

    assert status(ada, secret_of(lost.file)) == 200
    assert status(ada, lost.key["secret"]) == 401
    assert ada.ask("GET", f"/keys/{lost_id}")[0] == 410


def test_file_that_keeps_the_replaced_key_is_named(lost, ada):
    rotate(lost)
    lost.proxy.always = pass_on

    outcome = rotate(lost, "-o", "other.key")

    assert outcome.code == 0
    assert status(ada, secret_in(lost.folder / "other.key")) == 200
    assert f"{lost.file} still holds the old key: put the new one there." in outcome.stderr


def test_variable_that_keeps_the_replaced_key_is_named(lost):
    rotate(lost)
    lost.proxy.always = pass_on
    lost.environ["REFLOW_API_KEY"] = lost.key["secret"]

    outcome = lost.run("keys", "rotate", lost.key["name"])

    assert outcome.code == 0
    assert "REFLOW_API_KEY still holds the old key" in outcome.stderr


def test_secret_that_ends_with_the_old_key_is_announced(lost, ada):
    """A key that rotates another one limits its lifetime to its own."""
    outcome = rotate(lost)

    assert "That secret ends with the old key" in outcome.stderr
    lost.proxy.always = pass_on
    outcome = lost.run(*shown_command(outcome))
    lost_id = replacement_of(ada, lost.key)
    end = ada.ask("GET", f"/keys/{lost_id}")[1]["expires_at"][:16].replace("T", " ")
    assert f"It expires {end} UTC, as the key that rotated it does" in outcome.stderr
    assert "reflow keys create" in outcome.stderr
