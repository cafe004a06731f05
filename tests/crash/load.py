"""Clients that use a key as fast as they can and count their answers."""

import json
import threading
from http.client import HTTPConnection, HTTPException
from typing import Any

from reflow_accounts.demo import PASSWORD
from tests.helpers.live_server import LiveServer


def ask(server: LiveServer, method: str, path: str, secret: str = "", body: Any = None) -> tuple[int, Any]:
    """Send one request over a connection of its own."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {secret}"} if secret else {})
    try:
        connection.request(method, f"/api/v1{path}", json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None
    finally:
        connection.close()


def log_in(server: LiveServer, email: str = "ada@acme.example") -> str:
    """Return the secret of a session of the command."""
    status, session = ask(server, "POST", "/sessions", body={"email": email, "password": PASSWORD})
    assert status == 201, session
    return str(session["secret"])


class LoadClients:
    """Clients with one key, each on its own keep-alive connection, until the server stops."""

    def __init__(self, server: LiveServer, secret: str, size: int) -> None:
        self.answers = [0] * size
        self.refusals: list[int] = []
        self._server, self._headers = server, {"Authorization": f"Bearer {secret}"}
        self._threads = [threading.Thread(target=self._use, args=(number,)) for number in range(size)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self) -> int:
        """Wait until every client has lost its connection; return the number of answers."""
        for thread in self._threads:
            thread.join()
        return sum(self.answers)

    def _use(self, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._server.port, timeout=30)
        try:
            while True:
                connection.request("GET", "/api/v1/me", headers=self._headers)
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    self.answers[number] += 1
                else:
                    self.refusals.append(response.status)
        except (OSError, HTTPException):
            return
        finally:
            connection.close()
