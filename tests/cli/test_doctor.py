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


def test_correct_setup_has_no_findings(well, live):
    report = Report(well)

    assert (report.code, report.bad) == (0, [])
    told = {found["check"]: found["detail"] for found in report.findings}
    assert told["server"] == f"{live.url}, from REFLOW_SERVER"
    assert told["reachable"] == f"Reflow answers at {live.url}"
    assert told["credential"].startswith(f"the key in {well.file} (home folder) is used")
    assert well.key["name"] in told["accepted"]
    assert told["expiry"] == "the key does not end by itself"
    assert told["subscription"] == "active for Acme"
    assert told["clock"] == "it agrees with the server's"
    assert [found["check"] for found in report.findings if found["check"].startswith("place")] == [
        f"place {number}" for number in range(1, 7)
    ]


def test_each_finding_is_one_line(well):
    lines = [line.split("\t") for line in well.run("doctor").stdout.splitlines()]
    assert all(len(line) == 4 and line[0] == "ok" for line in lines)
    well.file.chmod(0o644)
    seen = well.run_at_a_screen("doctor").stdout
    assert f"Fix it: chmod 600 {well.file}" in seen


def test_doctor_asks_nothing_on_a_terminal(there, live):
    outcome = there.run_at_a_screen("doctor")

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


def test_other_checks_run_without_a_network(well):
    well.environ["REFLOW_SERVER"] = f"http://127.0.0.1:{free_port()}"
    well.file.chmod(0o644)

    report = Report(well)

    assert report.code == 7
    assert report.bad == [("reachable", "error"), ("mode", "warning")]
    assert report["git history"]["state"] == "ok"


def test_invalid_address_gets_no_request_and_the_rest_is_checked(well, listener):
    well.environ["REFLOW_SERVER"] = "ftp://reflow.example"

    report = Report(well)

    assert (report.code, report.bad) == (2, [("server", "error"), ("credential", "error")])


def test_other_server_gets_no_secret(here, listener):
    listener.says_raw("GET", "/me", b"<h1>Sign in to the hotel</h1>")
    key_file(here.home / ".reflow" / "api.key", made_up_key())

    report = Report(here)

    assert report.code == 7
    assert "it is not a Reflow server" in report["reachable"]["detail"]
    assert listener.secrets == [""]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(429, "rate_limited", "takes no more requests now"), (503, "unavailable", "is not available now")],
)
@pytest.mark.parametrize("with_key_only", [True, False])
def test_server_that_answers_later_ends_with_7(here, listener, status, code, words, with_key_only):
    key_file(here.home / ".reflow" / "api.key", secret := made_up_key())
    problem = {"code": code, "status": status, "detail": "Not now."}
    listener.says("GET", "/me", problem, status, **{"Retry-After": "90"})
    if with_key_only:
        kept = listener.answers["GET", "/api/v1/me"]
        listener.says("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
        listener.heard = lambda _: listener.answers.update({("GET", "/api/v1/me"): kept})

    report = Report(here)

    assert report.code == 7
    if with_key_only:
        assert report["accepted"]["detail"] == "Not now. Try again in 90 s."
        assert set(listener.secrets) == {"", secret}
    else:
        assert report["reachable"]["detail"] == f"{listener.url} {words}; try again in 90 s"
        assert listener.secrets == [""]
    errors = [found for found in report.findings if found["state"] == "error"]
    assert [found["mend"] for found in errors] == ["reflow doctor"]


def test_all_requests_name_the_command(here, listener):
    key_file(here.home / ".reflow" / "api.key", made_up_key())
    Report(here)
    assert {asked["User-Agent"] for asked in listener.asked} == {listener.asked[-1]["User-Agent"]}
    assert listener.asked[0]["User-Agent"].startswith("reflow/")


def test_http_beyond_this_machine_is_an_error(terminal):
    terminal.environ["REFLOW_SERVER"] = "http://reflow.invalid"

    refused, allowed = Report(terminal), Report(terminal, "--insecure")

    for report, check in ((refused, "server"), (allowed, "tls")):
        assert report[check]["state"] == "error"
        assert report[check]["mend"] == "reflow --server https://reflow.invalid doctor"
    assert [found["check"] for found in refused.findings if found["check"] == "reachable"] == []


@pytest.mark.parametrize(("days", "state"), [(400, "ok"), (15, "ok"), (13, "warning")])
def test_end_of_the_certificate_is_shown(terminal, tmp_path, days, state):
    trusted, context = certificate(tmp_path, days)
    server = Listener(context)
    server.says("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
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
    assert server.asked == []


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(0, "agrees"), (-55, "agrees"), (300, "behind the server's"), (-7200, "ahead of the server's")],
)
def test_clock_is_compared_with_the_server(here, listener, ahead, words):
    listener.says("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
    listener.clock = ahead

    report = Report(here)

    assert words in report["clock"]["detail"]
    assert report["clock"]["state"] == ("ok" if words == "agrees" else "warning")


@pytest.mark.parametrize("reason", ["revoked", "unknown", "expired"])
def test_refused_key_ends_with_4(well, ada, reason, live):
    if reason == "revoked":
        ada.revoke(well.key)
    elif reason == "unknown":
        key_file(well.file, made_up_key())
    else:
        end_now(live, well.key["id"])

    report = Report(well)

    assert report.code == 4
    assert report["accepted"]["state"] == "error"
    checks = [check for check, _ in report.bad]
    assert checks == (["accepted", "expiry"] if reason == "expired" else ["accepted"])


def end_now(live, key_id: str) -> None:
    from sqlalchemy import update

    from reflow_accounts.api_keys.models import ApiKey
    from reflow_accounts.database import db, now

    with live.app.app_context():
        db.session.execute(update(ApiKey).where(ApiKey.public_id == key_id).values(expires_at=now()))
        db.session.commit()


@pytest.mark.parametrize(("days", "state"), [(20, "ok"), (13, "warning"), (0.1, "warning")])
def test_key_that_ends_soon_is_warned_of_and_fixed(well, ada, days, state):
    end = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    ada.ask("PATCH", f"/keys/{well.key['id']}", {"expires_at": end})

    report = Report(well)

    assert report["expiry"]["state"] == state
    assert report.code == (0 if state == "ok" else 1)
    if state == "warning":
        assert report["expiry"]["mend"] == f"reflow keys rotate {well.key['id']}"


@pytest.mark.parametrize("by", ["key", "login"])
def test_missing_subscription_is_an_error(terminal, house, crew, by):
    terminal.environ["REFLOW_SERVER"] = house.url
    if by == "key":
        terminal.environ["REFLOW_API_KEY"] = crew.admin.key().secret
    else:
        login(terminal.home, house.url, crew.admin.session())
        (terminal.home / ".reflow").chmod(0o700)
    crew.team.unsubscribe()

    report = Report(terminal)

    assert (report.code, report.bad) == (1, [("subscription", "error")])
    assert report["subscription"]["mend"] == f"open {house.url}/account/subscription"


def test_key_of_who_is_in_no_team_is_explained(terminal, house, crew):
    terminal.environ |= {"REFLOW_SERVER": house.url, "REFLOW_API_KEY": crew.editor.key().secret}
    crew.remove(crew.editor)

    report = Report(terminal)

    assert (report.code, report.bad) == (1, [("subscription", "error")])
    assert report["subscription"]["detail"] == "the key's user is in no team, so API keys are refused"
    assert report["subscription"]["mend"] == "ask an Admin of the team to invite the user"


def test_login_needs_no_key(there, ada):
    login(there.home, there.environ["REFLOW_SERVER"], ada.session)
    (there.home / ".reflow").chmod(0o700)

    assert Report(there).code == 0


def test_doctor_works_without_a_home_folder(keyed):
    del keyed.environ["HOME"]
    report = Report(keyed)
    assert report.code == 0
    assert report["place 4"]["detail"] == "there is no home folder"
