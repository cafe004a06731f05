"""The User-Agent header: CI service, repository and run, safely encoded."""

import json
import re
from urllib.request import Request, urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflow_accounts import __version__
from reflow_accounts.api_keys.user_agents import program_of
from reflow_accounts.cli.http.user_agent import repository_in, user_agent
from reflow_accounts.web.request_info import LONGEST_USER_AGENT, Client
from tests.cli.secrets_for_tests import made_up_key, made_up_session

START = f"reflow/{__version__} (Linux x86_64)"
GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "acme/web",
    "GITHUB_RUN_ID": "16001234567",
    "GITHUB_RUN_NUMBER": "812",
}
GITLAB = {
    "CI": "true",
    "GITLAB_CI": "true",
    "CI_PROJECT_PATH": "acme/shop/web",
    "CI_PIPELINE_ID": "90210",
    "CI_PIPELINE_IID": "812",
    "CI_REPOSITORY_URL": "https://gitlab-ci-token:hunter2@gitlab.example/acme/shop/web.git",
}
JENKINS = {
    "JENKINS_URL": "https://jenkins.example/",
    "JOB_NAME": "web/main",
    "BUILD_NUMBER": "812",
    "GIT_URL": "https://ci:hunter2@git.example/acme/web.git",
}
CIRCLE = {
    "CI": "true",
    "CIRCLECI": "true",
    "CIRCLE_PROJECT_USERNAME": "acme",
    "CIRCLE_PROJECT_REPONAME": "web",
    "CIRCLE_BUILD_NUM": "812",
}
BUILDKITE = {
    "CI": "true",
    "BUILDKITE": "true",
    "BUILDKITE_ORGANIZATION_SLUG": "acme-inc",
    "BUILDKITE_PIPELINE_SLUG": "nightly",
    "BUILDKITE_REPO": "git@github.com:acme/web.git",
    "BUILDKITE_BUILD_NUMBER": "812",
}
ENVIRONMENTS = {
    "GitHub Actions": (GITHUB, "GitHub-Actions (acme/web; run 812)"),
    "GitLab CI": (GITLAB, "GitLab-CI (acme/shop/web; run 812)"),
    "Jenkins": (JENKINS, "Jenkins (acme/web; run 812)"),
    "CircleCI": (CIRCLE, "CircleCI (acme/web; run 812)"),
    "Buildkite": (BUILDKITE, "Buildkite (acme/web; run 812)"),
}
EVERY = pytest.mark.parametrize(("environ", "words"), ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())


def said_in(environ: dict[str, str]) -> str:
    return user_agent(environ, "Linux x86_64")


@EVERY
def test_each_ci_is_named_with_repository_and_run(environ, words):
    assert said_in(environ) == f"{START} {words}"


@EVERY
def test_header_of_a_real_run_names_them(listener_terminal, listener, environ, words):
    listener_terminal.environ |= environ | {"REFLOW_API_KEY": made_up_key()}

    assert listener_terminal.run("whoami").code == 0
    assert listener.requests[0]["User-Agent"].endswith(f") {words}")
    assert "hunter2" not in str(listener.requests)


def test_header_without_ci_names_version_and_system():
    assert said_in({"CI": "true", "BUILD_NUMBER": "5", "GITHUB_ACTIONS": "false"}) == START
    assert re.fullmatch(rf"reflow/{__version__} \([A-Za-z]+ [A-Za-z0-9_]+\)", user_agent({}))


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"GITHUB_ACTIONS": "true"}, "GitHub-Actions"),
        ({**GITHUB, "GITHUB_REPOSITORY": ""}, "GitHub-Actions (run 812)"),
        ({**GITHUB, "GITHUB_RUN_NUMBER": ""}, "GitHub-Actions (acme/web; run 16001234567)"),
        ({**GITHUB, "GITHUB_RUN_NUMBER": "8\r\n12"}, "GitHub-Actions (acme/web)"),
        ({**GITHUB, "JENKINS_URL": "x", "GIT_URL": "y"}, "GitHub-Actions (acme/web; run 812)"),
        ({**JENKINS, "GIT_URL": ""}, "Jenkins (web/main; run 812)"),
        ({**CIRCLE, "CIRCLE_PROJECT_REPONAME": ""}, "CircleCI (run 812)"),
        ({**BUILDKITE, "BUILDKITE_REPO": ""}, "Buildkite (acme-inc/nightly; run 812)"),
    ],
)
def test_missing_ci_facts_are_omitted(environ, words):
    assert said_in(environ) == f"{START} {words}"


ADDRESSES = {
    "git@github.com:acme/web.git": "acme/web",
    "https://github.com/acme/web": "acme/web",
    "https://x:hunter2@github.com/acme/web.git": "acme/web",
    "https://hunter2@github.com/acme/web.git/": "acme/web",
    "https://github.com/acme/web?token=hunter2#hunter2": "acme/web",
    "https://hunter2/hunter2?hunter2#hunter2@github.com/acme/web": "acme/web",
    "ssh://git@git.example:2222/acme/web.git": "acme/web",
    "me:hunter2@git.example/acme/web": "web",
    "https://git.example": "",
    "file:///home/hunter2/web.git": "web",
    "/home/hunter2/web": "web",
    "C:\\hunter2\\web": "web",
    "C:/hunter2/web": "web",
    "../web.git": "web",
    "": "",
}


@pytest.mark.parametrize(("address", "path"), ADDRESSES.items())
def test_repository_address_is_reduced_to_its_path(address, path):
    assert repository_in(address) == path
    assert "hunter2" not in said_in({**JENKINS, "GIT_URL": address})


@pytest.mark.parametrize("secret", [made_up_key(), made_up_session(), made_up_key()[:20]], ids=len)
@pytest.mark.parametrize("variable", ["GITHUB_REPOSITORY", "GITHUB_RUN_NUMBER"])
def test_text_like_a_secret_is_omitted(secret, variable):
    assert secret[4:] not in said_in({**GITHUB, variable: secret})
    assert secret[4:] not in said_in({**GITHUB, variable: f"acme/{secret}"})


def test_name_with_an_at_sign_is_omitted():
    environ = {**GITHUB, "GITHUB_REPOSITORY": "https://x:hunter2@github.com/acme/web"}
    assert said_in(environ) == f"{START} GitHub-Actions (run 812)"


NAMES = ["a b", "a) evil/1 (b", "a\\(b\\)", "a; run 5", "wüb", "日本", "50%25", "a%2Fb", '"a"', "=1+1", "…"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_arrives_unchanged(name):
    said = said_in({**JENKINS, "GIT_URL": "", "JOB_NAME": name})
    assert program_of(said) == f"Jenkins, {name}, run 812"


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "a\tb", "a\u202eb", "a\udcffb", "\x1b[31m"])
def test_name_with_control_characters_is_omitted(name):
    assert said_in({**GITHUB, "GITHUB_REPOSITORY": name}) == f"{START} GitHub-Actions (run 812)"


@pytest.mark.parametrize("name", ["x" * 500, "ü" * 500, "日" * 39 + "x" * 10])
def test_long_name_is_cut_between_characters(name):
    program = program_of(said_in({**GITHUB, "GITHUB_REPOSITORY": name}))
    assert program.endswith("…, run 812")
    assert name.startswith(program.removeprefix("GitHub Actions, ").partition("…")[0])


ANY = st.text(st.characters(exclude_categories=()), max_size=400)


@given(st.sampled_from([environ for environ, _ in ENVIRONMENTS.values()]), st.data(), ANY)
def test_header_is_well_formed_for_any_environment(environ, data, machine):
    environ = {name: data.draw(ANY) if name != "CI" else value for name, value in environ.items()}
    said = user_agent(environ | dict.fromkeys(("GITHUB_ACTIONS",), "true"), machine)
    assert re.fullmatch(r"[!-~]+ \([!-~ ]*\) GitHub-Actions( \([!-'*-\[\]-~ ]+\))?", said)
    assert len(said) <= LONGEST_USER_AGENT
    assert machine.isspace() or not machine or program_of(said) is None or program_of(said).isprintable()


def test_log_of_uses_names_the_run(keyed_terminal, ada):
    keyed_terminal.environ |= GITHUB
    assert keyed_terminal.run("whoami").code == 0

    outcome = keyed_terminal.run("activity", "--key", keyed_terminal.key["name"])

    assert outcome.code == 0, outcome.stderr
    uses = [line.split("\t") for line in outcome.stdout.splitlines() if "GET /api/v1/me" in line]
    assert [use[7] for use in uses] == ["GitHub Actions, acme/web, run 812"]
    use = ada.ask("GET", f"/keys/{keyed_terminal.key['id']}/uses")[1]["items"][-1]
    assert use["program"] == "GitHub Actions, acme/web, run 812"
    assert use["user_agent"].endswith(" GitHub-Actions (acme/web; run 812)")
    entries = json.loads(
        keyed_terminal.run("--json", "activity", "--key", keyed_terminal.key["name"]).stdout
    )["items"]
    assert entries[-2]["use"]["program"] == "GitHub Actions, acme/web, run 812"


def test_program_without_a_name_is_shown_as_it_is(keyed_terminal, live):
    headers = {"Authorization": f"Bearer {keyed_terminal.key['secret']}", "User-Agent": "curl/8.1"}
    urlopen(Request(f"{live.url}/api/v1/me", headers=headers), timeout=30).close()

    lines = keyed_terminal.run("activity", "--key", keyed_terminal.key["name"]).stdout.splitlines()
    [use] = [line for line in lines if "GET /api/v1/me" in line]
    assert use.endswith("\tcurl/8.1")


def test_repository_is_never_taken_for_the_system_of_a_device():
    said = user_agent({**GITHUB, "GITHUB_REPOSITORY": "acme/Android"}, "Linux x86_64")
    assert Client("127.0.0.1", said).device == "reflow command on Linux"
