"""In-process client of the JSON API, which checks rules of every response."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from reflow_accounts.contract import API_PREFIX


class Api:
    """Sends requests with a secret or without. Paths are relative to `/api/v1`."""

    def __init__(self, app: Flask, secret: str | None = None, **headers: str) -> None:
        self._client = FlaskClient(app, app.response_class, use_cookies=False)
        self.headers = dict(headers)
        if secret is not None:
            self.headers["Authorization"] = f"Bearer {secret}"

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.send("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        return self.send("POST", path, body, **more)

    def patch(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        return self.send("PATCH", path, body, **more)

    def delete(self, path: str, **more: Any) -> TestResponse:
        return self.send("DELETE", path, **more)

    def send(self, method: str, path: str, body: Any = None, **more: Any) -> TestResponse:
        """Send one request; `body` becomes JSON, `data` with `content_type` is sent as it is."""
        if body is not None:
            more["json"] = body
        headers = self.headers | dict(more.pop("headers", {}))
        answer = self._client.open(API_PREFIX + path, method=method, headers=headers, **more)
        _check(answer)
        return answer

    def pages(self, path: str, limit: int = 2) -> list[list[dict[str, Any]]]:
        """Return the items of all pages of a list."""
        mark = "&" if "?" in path else "?"
        found, cursor = [], ""
        while True:
            answer = self.get(f"{path}{mark}limit={limit}{cursor}")
            assert answer.status_code == 200, answer.text
            found.append(answer.json["items"])
            if answer.json["next_cursor"] is None:
                return found
            cursor = f"&cursor={answer.json['next_cursor']}"


def problem_of(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Check that a response is this problem document (RFC 9457), and return it."""
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    found: dict[str, Any] = answer.json
    assert (found["status"], found["code"]) == (status, code), found
    assert found["type"].endswith(f"#{code}")
    assert found["title"]
    assert found["detail"]
    return found


def _check(answer: TestResponse) -> None:
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.status_code != 500, answer.text
    if answer.status_code >= 400:
        assert answer.mimetype == "application/problem+json", answer.headers
    elif answer.status_code == 204:
        assert answer.data == b""
    elif answer.request.method not in ("HEAD", "OPTIONS"):
        is_file = answer.request.path.endswith("/export")
        assert answer.mimetype in (("application/jsonl", "text/csv") if is_file else ("application/json",))
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    if answer.status_code == 503:
        assert int(answer.headers["Retry-After"]) > 0
