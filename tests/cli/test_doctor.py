"""`reflow doctor` at a real server and with real files: what it finds and how to fix it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.certificates import certificate
from tests.cli.doctor_report import Report
from tests.cli.folders import key_file, login
from tests.cli.listener import Listener
from tests.cli.secrets_for_tests import made_up_key, made_up_session
from tests.helpers.live_server import free_port

pytestmark = pytest.mark.postgresql_later


def test_correct_setup_has_no_findings(configured_terminal, live):
    report = Report(configured_terminal)

    assert (report.code, report.problems) == (0, [])
    told = {found["check"]: found["detail"] for found in report.findings}
    assert told["server"] == f"{live.url}, from REFLOW_SERVER"
    assert told["reachable"] == f"Reflow answers at {live.url}"
    assert told["credential"].startswith(f"the key in {configured_terminal.file} (home folder) is used")
    assert configured_terminal.key["name"] in told["accepted"]
    assert told["expiry"] == "the key does not end by itself"
    assert told["subscription"] == "active for Acme"
    assert told["clock"] == "it agrees with the server's"
    assert [found["check"] for found in report.findings if found["check"].startswith("place")] == [
        f"place {number}" for number in range(1, 7)
    ]


def test_each_finding_is_one_line(configured_terminal):
    lines = [line.split("\t") for line in configured_terminal.run("doctor").stdout.splitlines()]
    assert all(len(line) == 4 and line[0] == "ok" for line in lines)
    configured_terminal.file.chmod(0o644)
    seen = configured_terminal.run_interactively("doctor").stdout
    assert f"Fix it: chmod 600 {configured_terminal.file}" in seen


def test_doctor_asks_nothing_on_a_terminal(live_terminal, live):
    outcome = live_terminal.run_interactively("doctor")

    assert outcome.code == 4
    assert "Fix it: reflow login" in outcome.stdout
    assert "here login starts" in outcome.stdout


@pytest.mark.parametrize("source", ["--server", "REFLOW_SERVER", "the only login"])
def test_source_of_the_server_address_is_named(terminal, listener, source):
    words = ("--server", listener.url) if source == "--server" else ()
    if source == "REFLOW_SERVER":
        terminal.environ["REFLOW_SERVER"] = listener.url
    if source == "the only login":
        login(terminal.home, listener.url, made_up_session())

    report = Report(terminal, *words)

    assert report["server"]["detail"].endswith(f", from {source}")


def test_other_checks_run_without_a_network(configured_terminal):
    configured_terminal.environ["REFLOW_SERVER"] = f"http://127.0.0.1:{free_port()}"
    configured_terminal.file.chmod(0o644)

    report = Report(configured_terminal)

    assert report.code == 7
    assert report.problems == [("reachable", "error"), ("mode", "warning")]
    assert report["git history"]["state"] == "ok"


def test_invalid_address_gets_no_request_and_the_rest_is_checked(configured_terminal, listener):
    configured_terminal.environ["REFLOW_SERVER"] = "ftp://reflow.example"

    report = Report(configured_terminal)

    assert (report.code, report.problems) == (2, [("server", "error"), ("credential", "error")])


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<h1>Sign in to the hotel</h1>", 200),
        (b'{"code": "missing_credentials"}', 200),  # Reflow refuses a request without a credential
        (b'{"code": "other"}', 401),
        (b'["code"]', 401),
    ],
)
def test_other_server_gets_no_secret(listener_terminal, listener, content, status):
    listener.respond_raw("GET", "/me", content, status)
    key_file(listener_terminal.home / ".reflow" / "api.key", made_up_key())

    report = Report(listener_terminal)

    assert report.code == 7
    assert "it is not a Reflow server" in report["reachable"]["detail"]
    assert listener.secrets == [""]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(429, "rate_limited", "takes no more requests now"), (503, "unavailable", "is not available now")],
)
@pytest.mark.parametrize("with_key_only", [True, False])
def test_server_that_answers_later_ends_with_7(
    listener_terminal, listener, status, code, words, with_key_only
):
    key_file(listener_terminal.home / ".reflow" / "api.key", secret := made_up_key())
    problem = {"code": code, "status": status, "detail": "Not now."}
    listener.respond("GET", "/me", problem, status, **{"Retry-After": "90"})
    if with_key_only:
        kept = listener.responses["GET", "/api/v1/me"]
        listener.respond("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
        listener.on_request = lambda _: listener.responses.update({("GET", "/api/v1/me"): kept})

    report = Report(listener_terminal)

    assert report.code == 7
    if with_key_only:
        assert report["accepted"]["detail"] == "Not now. Try again in 90 s."
        assert set(listener.secrets) == {"", secret}
    else:
        assert report["reachable"]["detail"] == f"{listener.url} {words}; try again in 90 s"
        assert listener.secrets == [""]
    errors = [found for found in report.findings if found["state"] == "error"]
    assert [found["fix"] for found in errors] == ["reflow doctor"]


def test_all_requests_name_the_command(listener_terminal, listener):
    key_file(listener_terminal.home / ".reflow" / "api.key", made_up_key())
    Report(listener_terminal)
    assert {asked["User-Agent"] for asked in listener.requests} == {listener.requests[-1]["User-Agent"]}
    assert listener.requests[0]["User-Agent"].startswith("reflow/")


def test_http_beyond_this_machine_is_an_error(terminal):
    terminal.environ["REFLOW_SERVER"] = "http://reflow.invalid"

    refused, allowed = Report(terminal), Report(terminal, "--insecure")

    for report, check in ((refused, "server"), (allowed, "tls")):
        assert report[check]["state"] == "error"
        assert report[check]["fix"] == "reflow --server https://reflow.invalid doctor"
    assert [found["check"] for found in refused.findings if found["check"] == "reachable"] == []


@pytest.mark.parametrize(("days", "state"), [(400, "ok"), (15, "ok"), (13, "warning")])
def test_end_of_the_certificate_is_shown(terminal, tmp_path, days, state):
    trusted, context = certificate(tmp_path, days)
    server = Listener(context)
    server.respond("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
    terminal.environ |= {"REFLOW_SERVER": server.url, "SSL_CERT_FILE": str(trusted)}

    report = Report(terminal)
    server.close()

    assert report["reachable"]["state"] == "ok"
    assert report["tls"]["state"] == state
    assert f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}" in report["tls"]["detail"]


@pytest.mark.parametrize("days", [400, -1])
def test_untrusted_or_expired_certificate_is_an_error(terminal, tmp_path, days):
    trusted, context = certificate(tmp_path, days)
    server = Listener(context)
    terminal.environ["REFLOW_SERVER"] = server.url
    if days < 0:
        terminal.environ["SSL_CERT_FILE"] = str(trusted)

    report = Report(terminal)
    server.close()

    assert report.code == 7
    reason = "its certificate has expired" if days < 0 else "its certificate is not trusted"
    assert reason in report["reachable"]["detail"]
    assert report["tls"]["state"] == "warning"
    assert server.requests == []


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(0, "agrees"), (-55, "agrees"), (300, "behind the server's"), (-7200, "ahead of the server's")],
)
def test_clock_is_compared_with_the_server(listener_terminal, listener, ahead, words):
    listener.respond("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
    listener.clock = ahead

    report = Report(listener_terminal)

    assert words in report["clock"]["detail"]
    assert report["clock"]["state"] == ("ok" if words == "agrees" else "warning")


@pytest.mark.parametrize("reason", ["revoked", "unknown", "expired"])
def test_refused_key_ends_with_4(configured_terminal, ada, reason, live):
    if reason == "revoked":
        ada.revoke(configured_terminal.key)
    elif reason == "unknown":
        key_file(configured_terminal.file, made_up_key())
    else:
        end_now(live, configured_terminal.key["id"])

    report = Report(configured_terminal)

    assert report.code == 4
    assert report["accepted"]["state"] == "error"
    checks = [check for check, _ in report.problems]
    assert checks == (["accepted", "expiry"] if reason == "expired" else ["accepted"])


def end_now(live, key_id: str) -> None:
    from sqlalchemy import update

    from reflow_accounts.api_keys.models import ApiKey
    from reflow_accounts.database import db, now

    with live.app.app_context():
        db.session.execute(update(ApiKey).where(ApiKey.public_id == key_id).values(expires_at=now()))
        db.session.commit()


@pytest.mark.parametrize(("days", "state"), [(20, "ok"), (13, "warning"), (0.1, "warning")])
def test_key_that_ends_soon_is_warned_of_and_fixed(configured_terminal, ada, days, state):
    end = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    ada.ask("PATCH", f"/keys/{configured_terminal.key['id']}", {"expires_at": end})

    report = Report(configured_terminal)

    assert report["expiry"]["state"] == state
    assert report.code == (0 if state == "ok" else 1)
    if state == "warning":
        assert report["expiry"]["fix"] == f"reflow keys rotate {configured_terminal.key['id']}"


@pytest.mark.parametrize("by", ["key", "login"])
def test_missing_subscription_is_an_error(terminal, team_server, members, by):
    terminal.environ["REFLOW_SERVER"] = team_server.url
    if by == "key":
        terminal.environ["REFLOW_API_KEY"] = members.admin.key().secret
    else:
        login(terminal.home, team_server.url, members.admin.session())
        (terminal.home / ".reflow").chmod(0o700)
    members.team.unsubscribe()

    report = Report(terminal)

    assert (report.code, report.problems) == (1, [("subscription", "error")])
    assert report["subscription"]["fix"] == f"open {team_server.url}/account/subscription"


def test_key_of_a_user_without_a_team_is_explained(terminal, team_server, members):
    terminal.environ |= {"REFLOW_SERVER": team_server.url, "REFLOW_API_KEY": members.editor.key().secret}
    members.remove(members.editor)

    report = Report(terminal)

    assert (report.code, report.problems) == (1, [("subscription", "error")])
    assert report["subscription"]["detail"] == "the key's user is in no team, so API keys are refused"
    assert report["subscription"]["fix"] == "ask an Admin of the team to invite the user"


def test_login_needs_no_key(live_terminal, ada):
    login(live_terminal.home, live_terminal.environ["REFLOW_SERVER"], ada.session)
    (live_terminal.home / ".reflow").chmod(0o700)

    assert Report(live_terminal).code == 0


def test_doctor_works_without_a_home_folder(keyed_terminal):
    del keyed_terminal.environ["HOME"]
    report = Report(keyed_terminal)
    assert report.code == 0
    assert report["place 4"]["detail"] == "there is no home folder"
