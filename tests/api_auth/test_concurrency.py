"""Concurrent requests to a real server: exact counts, unique names, immediate revocation."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import pytest
from sqlalchemy import func, select

from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.database import db
from reflow_accounts.demo import PASSWORD
from tests.helpers.live_server import LiveServer

CLIENTS = 6


class Connection:
    """One connection to the server, kept open."""

    def __init__(self, server: LiveServer, secret: str = "") -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {secret}"} if secret else {}
        )

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        self._connection.request(method, f"/api/v1{path}", content, self._headers)
        response = self._connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def ada(server):
    connection = Connection(server)
    status, session = connection.ask("POST", "/sessions", {"email": "ada@acme.example", "password": PASSWORD})
    assert status == 201, session
    connection.close()
    session_connection = Connection(server, session["secret"])
    yield session_connection
    session_connection.close()


def run_at_once(function, times: int) -> list[Any]:
    """Call a function in several threads that start together."""
    barrier = threading.Barrier(times)

    def run(number: int) -> Any:
        barrier.wait()
        return function(number)

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(run, range(times)))


def count_uses(server: LiveServer, key_id: str) -> int:
    query = select(func.count()).select_from(Use).join(Use.key).where(ApiKey.public_id == key_id)
    with server.app.app_context():
        return db.session.scalar(query)


def test_every_response_is_counted_once(server, ada):
    _, key = ada.ask("POST", "/keys", {"name": f"counted {server.port}"})

    def use(number: int) -> int:
        connection = Connection(server, key["secret"])
        paths = ["/me", "/nothing", "/keys"] * 7
        statuses = [connection.ask("GET", path)[0] for path in paths]
        connection.close()
        assert set(statuses) == {200, 404}
        return len(statuses)

    response_count = sum(run_at_once(use, CLIENTS))
    assert (
        ada.ask("GET", f"/keys/{key['id']}")[1]["use_count"]
        == response_count
        == count_uses(server, key["id"])
    )


def test_concurrent_creations_of_one_name_create_one_key(server, ada):
    secret = ada._headers["Authorization"].removeprefix("Bearer ")
    name = f"only one {server.port}"

    def create(number: int) -> int:
        connection = Connection(server, secret)
        status, _ = connection.ask("POST", "/keys", {"name": name})
        connection.close()
        return status

    assert sorted(run_at_once(create, CLIENTS)) == [201] + [422] * (CLIENTS - 1)


def test_concurrent_revocations_succeed_and_are_recorded_once(server, ada):
    secret = ada._headers["Authorization"].removeprefix("Bearer ")
    _, key = ada.ask("POST", "/keys", {"name": f"revoked {server.port}"})

    def revoke(number: int) -> int:
        connection = Connection(server, secret)
        status, _ = connection.ask("DELETE", f"/keys/{key['id']}")
        connection.close()
        return status

    assert run_at_once(revoke, CLIENTS) == [204] * CLIENTS
    events = ada.ask("GET", f"/activity?key={key['id']}")[1]["items"]
    assert [event["action"] for event in events].count("api_key.revoked") == 1


def test_key_revoked_during_use_is_refused_from_then_on(server, ada):
    _, key = ada.ask("POST", "/keys", {"name": f"raced {server.port}"})
    is_revoked = threading.Event()
    late_statuses: list[int] = []

    def use(number: int) -> None:
        connection = Connection(server, key["secret"])
        late_count = 0
        while late_count < 10:
            starts_after_revocation = is_revoked.is_set()
            status, _ = connection.ask("GET", "/me")
            if starts_after_revocation:
                late_statuses.append(status)
                late_count += 1
        connection.close()

    threads = [threading.Thread(target=use, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    assert ada.ask("DELETE", f"/keys/{key['id']}")[0] == 204
    is_revoked.set()
    for thread in threads:
        thread.join()
    assert late_statuses == [401] * (10 * CLIENTS)


def test_count_and_last_use_never_decrease_during_use(server, ada):
    _, key = ada.ask("POST", "/keys", {"name": "watched"})
    connections = [Connection(server, key["secret"]) for _ in range(4)]
    stop = threading.Event()

    def use(connection: Connection) -> int:
        response_count = 0
        while not stop.is_set():
            response_count += connection.ask("GET", "/me")[0] == 200
        connection.close()
        return response_count

    with ThreadPoolExecutor(len(connections)) as threads:
        futures = [threads.submit(use, connection) for connection in connections]
        seen = []
        for _ in range(60):
            key_json = ada.ask("GET", f"/keys/{key['id']}")[1]
            seen.append((key_json["use_count"], key_json["last_used_at"] or ""))
        stop.set()
        response_count = sum(future.result() for future in futures)
    assert [count for count, _ in seen] == sorted(count for count, _ in seen)
    assert [at for _, at in seen] == sorted(at for _, at in seen)
    assert ada.ask("GET", f"/keys/{key['id']}")[1]["use_count"] == response_count
