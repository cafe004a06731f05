"""Three web nodes behind nginx, on a PostgreSQL primary with a synchronous standby: `make test-cluster`."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psycopg

from tests.crash.load import ask, log_in
from tests.helpers.live_server import LiveServer, free_port
from tests.helpers.relay import Relay
from tests.reliability import postgres_pair, report
from tests.reliability.postgres_pair import Pair
from tests.reliability.steady_load import SteadyLoad

IF_POSSIBLE = "--if-possible"
NODES = 3
CLIENTS = 6
# A node is cut off for this long: more than nginx waits for an answer (10 s).
SECONDS_CUT = 12.0
# Issue: service resumes within 15 s after the standby is promoted.
LONGEST_FAILOVER_S = 15.0
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream reflow {{
        {servers}
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://reflow;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_connect_timeout 1s;
            proxy_read_timeout 10s;
            proxy_next_upstream error timeout http_503;
        }}
    }}
}}
"""


class Node(LiveServer):
    """One web node."""

    def stop(self) -> None:
        """Stop as an operator does."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(40) == 0

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to every process of the node."""
        assert self.process
        os.killpg(self.process.pid, number)

    def is_ready(self) -> bool:
        """Return whether /readyz answers 200, asked as a container manager does."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/readyz", headers={"Host": "10.1.2.3"})
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


class Cluster:
    """The nodes, nginx and the pair of databases; each method named `check_…` is a check.

    The third node reaches the databases through relays.
    """

    def __init__(self) -> None:
        self.pair = Pair()
        self.folder = Path(tempfile.mkdtemp(prefix="reflow-cluster-"))
        self.nodes: list[Node] = []
        self.relays: list[Relay] = []
        self.port = free_port()
        self._nginx: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.pair.start()
        self.relays = [Relay(self.pair.folder, port) for port in self.pair.ports]
        for relay in self.relays:
            relay.start()
        urls = [self.pair.url] * (NODES - 1) + [self.pair.url_at([relay.port for relay in self.relays])]
        for number, url in enumerate(urls):
            folder = self.folder / f"node{number}"
            folder.mkdir()
            limits = {"REFLOW_RATE_LIMITS": "on", "REFLOW_TRUSTED_PROXIES": "1"}
            self.nodes.append(Node(folder, url, **limits))
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait()
        servers = "\n".join(
            f"server 127.0.0.1:{node.port} max_fails=1 fail_timeout=1s;" for node in self.nodes
        )
        file = self.folder / "nginx.conf"
        file.write_text(NGINX.format(folder=self.folder, port=self.port, servers=servers))
        self._nginx = subprocess.Popen(["nginx", "-p", self.folder, "-c", file], stderr=subprocess.DEVNULL)
        self.session = log_in(self.nodes[0])

    def stop(self) -> None:
        if self._nginx:
            self._nginx.terminate()
            self._nginx.wait(10)
        for node in self.nodes:
            node.kill()
        for relay in self.relays:
            relay.stop()
        self.pair.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def key(self, name: str) -> dict[str, str]:
        status, key = ask(self.nodes[0], "POST", "/keys", self.session, {"name": name})
        assert status == 201, key
        return dict(key)

    def uses_of(self, key: dict[str, str]) -> int:
        return int(ask(self.nodes[1], "GET", f"/keys/{key['id']}", self.session)[1]["use_count"])

    def check_nodes_started_at_once(self) -> None:
        """The fixture started them on an empty database: one migrated and seeded it."""
        assert [node.is_ready() for node in self.nodes] == [True] * NODES

    def check_key_works_everywhere_until_revoked(self) -> None:
        one, two, three = self.nodes
        key = self.key("shared")
        assert ask(two, "GET", "/me", key["secret"])[0] == 200
        assert ask(three, "DELETE", f"/keys/{key['id']}", self.session)[0] == 204
        assert [ask(node, "GET", "/me", key["secret"])[0] for node in (one, two, three)] == [401] * NODES

    def check_session_is_shared(self) -> None:
        one, two, three = self.nodes
        session = log_in(one, "ben@acme.example")
        assert ask(two, "GET", "/me", session)[0] == 200
        assert ask(three, "DELETE", "/sessions/current", session)[0] == 204
        assert ask(one, "GET", "/me", session)[0] == 401

    def check_limits_are_shared(self) -> str:
        body = {"email": "vic@acme.example", "password": "wrong" * 3}
        statuses = [ask(self.nodes[n % NODES], "POST", "/sessions", body=body)[0] for n in range(12)]
        assert statuses.count(401) == 10, statuses
        assert statuses[10:] == [429, 429]
        return "10 attempts over 3 nodes, then 429"

    def check_killed_node_loses_only_requests_in_flight(self) -> str:
        key = self.key("killed")
        with SteadyLoad(self.port, key["secret"], CLIENTS) as load:
            time.sleep(2)
            self.nodes[2].kill()
            time.sleep(3)
        self.nodes[2].start()
        assert len(load.failures) <= CLIENTS, load.failures
        assert load.answers <= self.uses_of(key)
        return f"{load.answers} answers, {len(load.failures)} lost of at most {CLIENTS} in flight"

    def check_node_that_stops_answering_loses_no_request(self) -> str:
        """Connections to it stay open without an answer, as when its network is cut."""
        key = self.key("silent")
        with SteadyLoad(self.port, key["secret"], CLIENTS) as load:
            time.sleep(2)
            self.nodes[2].signal_all(signal.SIGSTOP)
            time.sleep(SECONDS_CUT)
            self.nodes[2].signal_all(signal.SIGCONT)
            load.wait_for_answers(3 * CLIENTS, LONGEST_FAILOVER_S)
        assert load.failures == [], load.failures
        assert load.answers <= self.uses_of(key)
        assert self.nodes[2].is_ready()
        return f"{load.answers} answers, none lost"

    def check_node_cut_off_from_the_database_loses_no_request(self) -> str:
        key = self.key("cut off")
        with SteadyLoad(self.port, key["secret"], CLIENTS) as load:
            time.sleep(2)
            for relay in self.relays:
                relay.freeze()
            time.sleep(SECONDS_CUT)
            assert not self.nodes[2].is_ready()
            for relay in self.relays:
                relay.thaw()
            time.sleep(3)
        assert load.failures == [], load.failures
        assert load.answers <= self.uses_of(key)
        self.nodes[2].wait()
        return f"{load.answers} answers, none lost"

    def check_rolling_restart_loses_no_request(self) -> str:
        key = self.key("restarted")
        with SteadyLoad(self.port, key["secret"], CLIENTS) as load:
            for node in self.nodes:
                node.stop()
                node.start()
        assert load.failures == [], load.failures
        assert load.answers == self.uses_of(key)
        return f"{load.answers} answers, none lost"

    def check_rolling_upgrade_loses_no_request(self) -> str:
        """A newer version has migrated the database; nodes of this version restart on it, and serve."""
        key = self.key("upgraded")
        with psycopg.connect(self.pair.url, autocommit=True) as connection:
            [revision] = connection.execute("SELECT version_num FROM alembic_version").fetchone() or [""]
            connection.execute("ALTER TABLE teams ADD COLUMN of_the_next_version text")
            connection.execute("UPDATE alembic_version SET version_num = %s", [f"{int(revision) + 1:04}"])
        with SteadyLoad(self.port, key["secret"], CLIENTS) as load:
            for node in self.nodes:
                node.stop()
                node.start()
                assert "made by a newer version that works with this one" in node.log.read_text()
        assert load.failures == [], load.failures
        assert load.answers == self.uses_of(key)
        return f"{load.answers} answers, none lost"

    def check_failover_needs_no_intervention_and_loses_no_answered_use(self) -> str:
        key = self.key("failed over")
        with SteadyLoad(self.port, key["secret"], CLIENTS) as load:
            time.sleep(2)
            self.pair.kill_primary()
            killed = time.monotonic()
            self.pair.promote()
            promoted = time.monotonic()
            resumed = load.wait_for_answers(3 * CLIENTS, LONGEST_FAILOVER_S + 15)
            time.sleep(2)
        assert resumed - promoted < LONGEST_FAILOVER_S
        recorded = self.uses_of(key)
        assert load.answers <= recorded
        # 502 comes from nginx while every node has just answered 503.
        assert set(load.failures) <= {502, 503}, load.failures
        return (
            f"resumed {resumed - killed:.1f} s after the kill, {resumed - promoted:.1f} s after the promotion; "
            f"{load.answers} answered, {recorded} recorded, {len(load.failures)} refused with 502 or 503"
        )


def main() -> int:
    """Run all checks, or those with the first argument in their name; `--if-possible` runs them where they can."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    if shutil.which("nginx") is None or postgres_pair.programs() is None:
        print("Left out: it needs nginx and pg_basebackup, of Debian's packages nginx and postgresql.")
        return 0 if wanted == IF_POSSIBLE else 1
    cluster = Cluster()
    try:
        cluster.start()
        word = "" if wanted == IF_POSSIBLE else wanted
        checks = [name for name in vars(Cluster) if name.startswith("check_") and word in name]
        return report.run([(name[6:].replace("_", " "), getattr(cluster, name)) for name in checks])
    finally:
        cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
