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
        response = self._client.open(API_PREFIX + path, method=method, headers=headers, **more)
        _check(response)
        return response

    def pages(self, path: str, limit: int = 2) -> list[list[dict[str, Any]]]:
        """Return the items of all pages of a list."""
        mark = "&" if "?" in path else "?"
        found, cursor = [], ""
        while True:
            response = self.get(f"{path}{mark}limit={limit}{cursor}")
            assert response.status_code == 200, response.text
            found.append(response.json["items"])
            if response.json["next_cursor"] is None:
                return found
            cursor = f"&cursor={response.json['next_cursor']}"


def problem_of(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Check that a response is this problem document (RFC 9457), and return it."""
    assert (response.status_code, response.mimetype) == (status, "application/problem+json"), response.text
    found: dict[str, Any] = response.json
    assert (found["status"], found["code"]) == (status, code), found
    assert found["type"].endswith(f"#{code}")
    assert found["title"]
    assert found["detail"]
    return found


def _check(response: TestResponse) -> None:
    assert "Set-Cookie" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"
    assert response.status_code != 500, response.text
    if response.status_code >= 400:
        assert response.mimetype == "application/problem+json", response.headers
    elif response.status_code == 204:
        assert response.data == b""
    elif response.request.method not in ("HEAD", "OPTIONS"):
        is_file = response.request.path.endswith("/export")
        assert response.mimetype in (("application/jsonl", "text/csv") if is_file else ("application/json",))
    if response.status_code == 401:
        assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    if response.status_code == 503:
        assert int(response.headers["Retry-After"]) > 0
