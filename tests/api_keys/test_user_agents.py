"""Reads the program from a user agent by a strict format; the result is only ever text."""

import pytest

from reflow_accounts.api_keys.user_agents import program_of

START = "reflow/1.2.3 (Linux x86_64)"
GITHUB = f"{START} GitHub-Actions (acme/web; run 812)"
PROGRAM = "GitHub Actions, acme/web, run 812"
FORGED = f"{START} Jenkins (%3Cb%3Eacme%3C/b%3E%26%22; run 8)"


@pytest.mark.parametrize(
    ("user_agent", "program"),
    [
        (START, "reflow 1.2.3 (Linux x86_64)"),
        ("reflow/1.3.0rc1+local (Windows AMD64)", "reflow 1.3.0rc1+local (Windows AMD64)"),
        (GITHUB, PROGRAM),
        (f"{START} GitLab-CI (a/b/c)", "GitLab CI, a/b/c"),
        (f"{START} CircleCI (run 5)", "CircleCI, run 5"),
        (f"{START} Buildkite", "Buildkite"),
        (f"{START} Jenkins (w%C3%BCb%20%28x%29; run 5)", "Jenkins, wüb (x), run 5"),
        (f"{START} Jenkins (50%2525)", "Jenkins, 50%25"),
    ],
)
def test_user_agent_of_the_command_is_described_in_words(user_agent, program):
    assert program_of(user_agent) == program


@pytest.mark.parametrize(
    "user_agent",
    [
        "",
        "curl/8.1",
        "Mozilla/5.0 (X11; Linux x86_64) reflow/1.2.3",
        "reflow",
        "reflow/1.2.3",
        "reflow/ (Linux x86_64)",
        f" {START}",
        f"{START} ",
        f"{START}\n",
        f"{START} Travis-CI (acme/web; run 5)",
        f"{START} GitHub-Actions ()",
        f"{START} GitHub-Actions (acme/web; run 812) more/1",
        f"{START} GitHub-Actions (acme/web; run )",
        f"{START} GitHub-Actions (acme/web; run 8; run 9)",
        f"{START} GitHub-Actions (acme/web;run 8)",
        f"{START} GitHub-Actions (; run 8)",
        f"{START} GitHub-Actions (a b)",
        f"{START} GitHub-Actions (a (b))",
        f"{START} GitHub-Actions (acme/web; run 8",
        f"{START} GitHub-Actions (%FF)",
        f"{START} GitHub-Actions (a%0D%0Ab)",
        f"{START} GitHub-Actions (a%E2%80%AEb)",
        f"{START} GitHub-Actions (a%00)",
        f"{START} GitHub-Actions (run {'8' * 21})",
        "reflow/1.2.3 (%1B[31m x)",
        "reflow/1.2.3 (%ED%A0%80 x)",
    ],
)
def test_other_user_agents_give_no_program(user_agent):
    assert program_of(user_agent) is None


def test_api_returns_the_program_beside_the_user_agent(cast, api):
    key = cast.ada.key("CI")
    for user_agent in ("curl/8.1", GITHUB):
        api(key.secret).get("/me", headers={"User-Agent": user_agent})
    session = api(cast.ada.session())
    uses = session.get(f"/keys/{key.id}/uses").json["items"]
    assert [(use["user_agent"], use["program"]) for use in uses] == [(GITHUB, PROGRAM), ("curl/8.1", None)]
    entries = session.get(f"/activity?key={key.id}").json["items"]
    assert [entry["use"]["program"] for entry in entries if entry["use"]] == [PROGRAM, None]


def test_tab_shows_the_program_and_escapes_a_forged_one(cast, api, client):
    key = cast.ada.key("CI")
    for user_agent in ("curl/8.1", GITHUB, FORGED, "<script>alert(1)</script>"):
        api(key.secret).get("/me", headers={"User-Agent": user_agent})
    cast.ada.sign_in(client)
    panel = client.page("/account/activity").with_id("activity-panel")
    for words in (PROGRAM, "curl/8.1", 'Jenkins, <b>acme</b>&", run 8', "<script>alert(1)</script>"):
        assert words in panel.text
    assert GITHUB not in panel.text
    assert not panel.all("b")
    assert not panel.all("script")
