"""Many at once on the real server: every answer is counted, one form makes one key, revocation holds at once."""

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


class Program:
    """One connection to the server, kept open."""

    def __init__(self, server: LiveServer, secret: str = "") -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {secret}"} if secret else {}
        )

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        self._connection.request(method, f"/api/v1{path}", content, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def ada(server):
    program = Program(server)
    status, session = program.ask("POST", "/sessions", {"email": "ada@acme.example", "password": PASSWORD})
    assert status == 201, session
    program.close()
    signed_in = Program(server, session["secret"])
    yield signed_in
    signed_in.close()


def at_once(work, times: int) -> list[Any]:
    """Do the same in several threads that begin together."""
    barrier = threading.Barrier(times)

    def begin(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(begin, range(times)))


def count_uses(server: LiveServer, key_id: str) -> int:
    query = select(func.count()).select_from(Use).join(Use.key).where(ApiKey.public_id == key_id)
    with server.app.app_context():
        return db.session.scalar(query)


def test_every_answer_is_counted_once(server, ada):
    _, key = ada.ask("POST", "/keys", {"name": f"counted {server.port}"})

    def use(number: int) -> int:
        program = Program(server, key["secret"])
        paths = ["/me", "/nothing", "/keys"] * 7
        statuses = [program.ask("GET", path)[0] for path in paths]
        program.close()
        assert set(statuses) == {200, 404}
        return len(statuses)

    answers = sum(at_once(use, CLIENTS))
    assert ada.ask("GET", f"/keys/{key['id']}")[1]["use_count"] == answers == count_uses(server, key["id"])


def test_of_several_keys_of_one_name_one_is_made(server, ada):
    secret = ada._headers["Authorization"].removeprefix("Bearer ")
    name = f"only one {server.port}"

    def make(number: int) -> int:
        program = Program(server, secret)
        status, _ = program.ask("POST", "/keys", {"name": name})
        program.close()
        return status

    assert sorted(at_once(make, CLIENTS)) == [201] + [422] * (CLIENTS - 1)


def test_of_several_revocations_each_succeeds_and_one_is_written_down(server, ada):
    secret = ada._headers["Authorization"].removeprefix("Bearer ")
    _, key = ada.ask("POST", "/keys", {"name": f"revoked {server.port}"})

    def revoke(number: int) -> int:
        program = Program(server, secret)
        status, _ = program.ask("DELETE", f"/keys/{key['id']}")
        program.close()
        return status

    assert at_once(revoke, CLIENTS) == [204] * CLIENTS
    acts = ada.ask("GET", f"/activity?key={key['id']}")[1]["items"]
    assert [act["action"] for act in acts].count("api_key.revoked") == 1


def test_key_revoked_while_it_is_used_is_refused_from_then_on(server, ada):
    _, key = ada.ask("POST", "/keys", {"name": f"raced {server.port}"})
    is_revoked = threading.Event()
    late: list[int] = []

    def use(number: int) -> None:
        program = Program(server, key["secret"])
        asked_late = 0
        while asked_late < 10:
            begins_late = is_revoked.is_set()
            status, _ = program.ask("GET", "/me")
            if begins_late:
                late.append(status)
                asked_late += 1
        program.close()

    threads = [threading.Thread(target=use, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    assert ada.ask("DELETE", f"/keys/{key['id']}")[0] == 204
    is_revoked.set()
    for thread in threads:
        thread.join()
    assert late == [401] * (10 * CLIENTS)


def test_count_and_last_use_never_go_back_while_others_use_the_key(server, ada):
    _, key = ada.ask("POST", "/keys", {"name": "watched"})
    programs = [Program(server, key["secret"]) for _ in range(4)]
    done = threading.Event()

    def use(program: Program) -> int:
        answers = 0
        while not done.is_set():
            answers += program.ask("GET", "/me")[0] == 200
        program.close()
        return answers

    with ThreadPoolExecutor(len(programs)) as threads:
        used = [threads.submit(use, program) for program in programs]
        seen = []
        for _ in range(60):
            shown = ada.ask("GET", f"/keys/{key['id']}")[1]
            seen.append((shown["use_count"], shown["last_used_at"] or ""))
        done.set()
        answers = sum(one.result() for one in used)
    assert [count for count, _ in seen] == sorted(count for count, _ in seen)
    assert [at for _, at in seen] == sorted(at for _, at in seen)
    assert ada.ask("GET", f"/keys/{key['id']}")[1]["use_count"] == answers
