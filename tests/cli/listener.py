"""A loopback server with prepared responses, which records its requests."""

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ME = {
    "user": {
        "id": "usr_1",
        "name": "Ada Park",
        "email": "ada@acme.example",
        "kind": "person",
        "is_staff": False,
    },
    "teams": [{"id": "team_1", "name": "Acme", "rights": "admin", "subscription": "active"}],
    "authenticated_by": {"type": "key", "id": "key_1", "name": "laptop", "hint": "abcd"},
}


class Listener:
    """`responses` maps (method, path without query) to (status, headers, body); `requests` is the log.

    `meanwhile` maps (method, path) to a call before the response; `clock` is added to the header Date.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.responses: dict[tuple[str, str], tuple[int, dict[str, str], bytes]] = {}
        self.requests: list[dict[str, Any]] = []
        self.refused: dict[str, str] = {}
        # Called with each request, after its response was chosen.
        self.on_request: Callable[[dict[str, Any]], object] = lambda requests: None
        self.responses_by_secret: dict[str, dict[tuple[str, str], object]] = {}
        self.meanwhile: dict[tuple[str, str], Callable[[], object]] = {}
        self.clock = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.respond("GET", "/me", ME)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    @property
    def secrets(self) -> list[str]:
        """The secrets that were presented, in order."""
        return [request["Authorization"].removeprefix("Bearer ") for request in self.requests]

    def respond(self, method: str, path: str, document: object, status: int = 200, **headers: str) -> None:
        """Respond with JSON; an object with a `code` is sent as a problem document."""
        is_problem = isinstance(document, dict) and "code" in document
        kind = "application/problem+json" if is_problem else "application/json"
        self.respond_raw(
            method, path, json.dumps(document).encode(), status, **{"Content-Type": kind, **headers}
        )

    def respond_raw(self, method: str, path: str, body: bytes, status: int = 200, **headers: str) -> None:
        self.responses[method, f"/api/v1{path}"] = (status, headers, body)

    def refuse(self, secret: str, code: str) -> None:
        """Respond with 401 and this code to requests with `secret`."""
        self.refused[secret] = code

    def respond_to(self, secret: str, method: str, path: str, document: object) -> None:
        """Respond with JSON to requests with `secret` only."""
        self.responses_by_secret.setdefault(secret, {})[method, f"/api/v1{path}"] = document

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer_to(self, method: str, path: str, secret: str) -> tuple[int, dict[str, str], bytes]:
        if secret in self.refused:
            problem = {"title": "Unauthorized", "status": 401, "detail": "No.", "code": self.refused[secret]}
            return 401, {"Content-Type": "application/problem+json"}, json.dumps(problem).encode()
        response = self.responses_by_secret.get(secret, {}).get((method, path.partition("?")[0]))
        if response is not None:
            return 200, {"Content-Type": "application/json"}, json.dumps(response).encode()
        not_found = (404, {"Content-Type": "text/html"}, b"<h1>Not here</h1>")
        return self.responses.get((method, path.partition("?")[0]), not_found)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                authorization = self.headers.get("Authorization", "")
                log = {
                    "method": self.command,
                    "path": self.path,
                    "body": body,
                    "Authorization": authorization,
                }
                agent = self.headers.get("User-Agent", "")
                listener.requests.append({**log, "User-Agent": agent, "at": time.monotonic()})
                secret = authorization.removeprefix("Bearer ")
                route = self.command, self.path.partition("?")[0].removeprefix("/api/v1")
                listener.meanwhile.get(route, lambda: None)()
                status, headers, content = listener._answer_to(self.command, self.path, secret)
                listener.on_request(listener.requests[-1])
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client was interrupted
                    self.end_headers()
                    self.wfile.write(content)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string((timestamp or time.time()) + listener.clock)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.answer)
        return Handler
