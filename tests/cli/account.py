"""An account on the real server, used through the API without the command."""

import json
import urllib.error
import urllib.request
import uuid
from typing import Any

PASSWORD = "reflow-demo-password"


def unused_name(stem: str = "key") -> str:
    return f"{stem}-{uuid.uuid4().hex[:12]}"


def request(url: str, method: str, path: str, secret: str = "", body: object = None) -> tuple[int, Any]:
    """Return the status and the JSON of one request to the API."""
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if content else {}
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    api_request = urllib.request.Request(f"{url}/api/v1{path}", content, headers, method=method)
    try:
        with urllib.request.urlopen(api_request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


class Account:
    """A user who is logged in, and creates and revokes keys."""

    def __init__(self, url: str, email: str) -> None:
        self.url, self.email = url, email
        status, session = request(url, "POST", "/sessions", body={"email": email, "password": PASSWORD})
        assert status == 201, session
        self.session = session["secret"]

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return request(self.url, method, path, self.session, body)

    def new_key(self, name: str | None = None) -> dict[str, Any]:
        """Issue a key and return it with its secret."""
        status, key = self.ask("POST", "/keys", {"name": name or unused_name()})
        assert status == 201, key
        return key

    def revoke(self, key: dict[str, Any]) -> None:
        assert self.ask("DELETE", f"/keys/{key['id']}")[0] == 204

    def live_names(self) -> set[str]:
        names, cursor = set(), ""
        while cursor is not None:
            page = self.ask("GET", f"/keys?limit=200{cursor}")[1]
            names |= {key["name"] for key in page["items"]}
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
        return names
