"""deploy/monitoring with a real Prometheus, when installed: each alert and panel has data."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from tests.crash.load import ask, log_in
from tests.helpers.live_server import ROOT, LiveServer, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="there is no Prometheus here"),
]

MONITORING = ROOT / "deploy/monitoring"
TOKEN = "token-of-the-metrics"
SECONDS = 40
# Rates of events that do not happen in the test.
MAY_BE_EMPTY = ('status=~"5..', "reflow_key_checks_total{outcome=~")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """`prometheus(path)`: the data that Prometheus answers, while it scrapes a server that is in use."""
    folder = tmp_path_factory.mktemp("prometheus")
    server = LiveServer(folder, REFLOW_METRICS_TOKEN=TOKEN)
    server.start()
    (folder / "token").write_text(TOKEN)
    settings = (MONITORING / "prometheus.yml").read_text()
    for placeholder, value in {
        "127.0.0.1:5000": f"127.0.0.1:{server.port}",
        "/etc/prometheus/reflow-metrics-token": str(folder / "token"),
        "interval: 15s": "interval: 1s",
        "alerts.yml": str(MONITORING / "alerts.yml"),
    }.items():
        assert placeholder in settings
        settings = settings.replace(placeholder, value)
    (folder / "prometheus.yml").write_text(settings)
    port = free_port()
    options = ("--config.file", folder / "prometheus.yml", "--storage.tsdb.path", folder / "data")
    with (folder / "prometheus.log").open("wb") as log:
        program = subprocess.Popen(
            ["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )

    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=10) as response:
            return json.loads(response.read())["data"]

    secret = ask(server, "POST", "/keys", log_in(server), {"name": "watched"})[1]["secret"]
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        ask(server, "GET", "/me", secret)
        try:
            data = get(
                "query?" + urllib.parse.urlencode({"query": "count_over_time(reflow_database_up[1m])"})
            )
            if data["result"] and float(data["result"][0]["value"][1]) > 5:
                break
        except OSError:
            pass
        time.sleep(0.2)
    yield get
    program.terminate()
    program.wait(20)
    server.kill()


def test_files_pass_promtool():
    for kind, name in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
        options = ["--syntax-only"] if kind == "config" else []
        result = subprocess.run(
            ["promtool", "check", kind, *options, MONITORING / name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr


def test_every_panel_has_data(prometheus):
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) >= 12
    for query in queries:
        data = prometheus("query?" + urllib.parse.urlencode({"query": query}))
        assert data["result"], query


def test_every_alert_is_evaluated_and_its_metrics_exist(prometheus):
    [group] = prometheus("rules")["groups"]
    for rule in group["rules"]:
        assert (rule["health"], rule["state"]) == ("ok", "inactive"), rule
        figures = rule["query"].rpartition(" == " if " == " in rule["query"] else " > ")[0]
        if not any(text in figures for text in MAY_BE_EMPTY):
            assert prometheus("query?" + urllib.parse.urlencode({"query": figures}))["result"], rule["query"]
