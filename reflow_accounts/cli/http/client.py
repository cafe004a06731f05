"""The client of the API: sends requests with the credential, and returns JSON or raises CommandError."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from math import isfinite
from typing import Any

from reflow_accounts.cli.credentials import Credential
from reflow_accounts.cli.errors import ApiError, CommandError, UnexpectedAnswer, Unreachable, problem_lines
from reflow_accounts.cli.http.errors import (
    GATEWAY_ERRORS,
    incomplete,
    not_available,
    not_reflow,
    redirected,
)
from reflow_accounts.cli.http.retry import retry_after, with_retries
from reflow_accounts.cli.http.transport import Download, Reply, exchange, exchange_file, is_file
from reflow_accounts.cli.http.user_agent import user_agent
from reflow_accounts.cli.output import Spinner
from reflow_accounts.contract import API_PREFIX, KEY_EXPIRES_HEADER, KEY_PREFIX

DEEPEST = 64  # levels of nesting; Reflow writes a handful
LARGEST_PAGE = 200
MOST_PAGES = 500
Query = Iterable[tuple[str, str]]


def parse_json(content: bytes) -> Any:
    """Return the JSON value (RFC 8259) in `content`. Raises ValueError, also for NaN, Infinity and deep nesting."""
    import json

    try:
        data = json.loads(content, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise ValueError("too deep") from None
    level, depth = [data], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError("too deep")
        inner: list[Any] = []
        for node in level:
            inner += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        level = [node for node in inner if isinstance(node, dict | list)]
    return data


def as_object(value: object) -> dict[str, Any]:
    """Return `value` if it is a JSON object, else an empty dict."""
    return value if isinstance(value, dict) else {}


def objects_in(value: object) -> list[dict[str, Any]]:
    """Return the JSON objects in `value` if it is a list, else an empty list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("not finite")
    return number


class ApiClient:
    """Sends requests to the API of `server`, with `credential` if there is one."""

    def __init__(self, server: str, credential: Credential | None = None) -> None:
        self.server = server
        self.credential = credential
        # Whether a GET is repeated after a temporary failure.
        self.repeats = True
        # The start of a series of requests, whose total time the spinner measures.
        self._since: float | None = None

    @property
    def uses_key(self) -> bool:
        """Whether the credential is an API key, also one stored as the login."""
        return self.credential is not None and self.credential.secret.startswith(KEY_PREFIX)

    def ask(self, method: str, path: str, query: Query = (), body: object = None) -> Any:
        """Return the JSON of the response (None for 204).

        `path` is relative to the API's prefix ("/me"). Raises ApiError when the API refuses the request, and
        Unreachable without an answer from Reflow.
        """
        return self.read(self.send(method, path, query, body))

    def send(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: object = None,
        more_headers: Mapping[str, str] | None = None,
        download: Download | None = None,
    ) -> Reply:
        """Return the response of any status, after the retries. Raises Unreachable.

        A `body` of bytes is sent as it is, any other as JSON. If the response is a file, its content goes to
        `download` instead, whose OSErrors are raised.
        """
        import json
        from urllib.parse import urlencode

        url = f"{self.server}{API_PREFIX}{path}"
        if encoded := urlencode(list(query), errors="surrogatepass"):
            url += f"{'&' if '?' in path else '?'}{encoded}"
        headers = {
            "Accept": "application/json, application/problem+json",
            "User-Agent": user_agent(os.environ),
        }
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        # The case of a name does not matter (RFC 9110, section 5.1).
        headers |= {name.title(): value for name, value in (more_headers or {}).items()}
        if self.credential:
            headers["Authorization"] = f"Bearer {self.credential.secret}"

        def attempt() -> Reply:
            with ExitStack() as waiting:
                waiting.enter_context(Spinner(self.server, self._since))
                if download:
                    return exchange_file(url, method, headers, content, download, waiting.close)
                return exchange(url, method, headers, content)

        reply = with_retries(attempt, method, self.server, lambda: self.repeats)
        if self.credential and (end := reply.headers.get(KEY_EXPIRES_HEADER)):
            from reflow_accounts.cli.keys.expiry import warn_of_end

            warn_of_end(self.credential, end)
        return reply

    def download(self, path: str, query: Query, download: Download) -> None:
        """Stream a file of the API to `download`; after a broken connection, start again.

        Raises the errors of `ask`, and the OSErrors of `download`.
        """
        reply = self.send("GET", path, query, download=download)
        if not is_file(reply):
            self.read(reply)
            raise UnexpectedAnswer(not_reflow(self.server, "no file"))

    def read(self, reply: Reply) -> Any:
        """Return the JSON in a response (None for 204). Raises the errors of `ask`."""
        if 300 <= reply.status < 400:
            raise redirected(self.server, reply.redirect_target)
        if reply.status == 204:
            return None
        try:
            data = parse_json(reply.content)
        except ValueError:
            raise Unreachable(self._why_no_json(reply)) from None
        if reply.status >= 400:
            raise self._problem(reply, data)
        return data

    def ask_object(self, method: str, path: str, query: Query = (), body: object = None) -> dict[str, Any]:
        """Return the JSON object of the response, as `ask` does. Raises UnexpectedAnswer for other JSON."""
        data = self.ask(method, path, query, body)
        if not isinstance(data, dict):
            raise UnexpectedAnswer(not_reflow(self.server, "JSON that Reflow does not write"))
        return data

    def listing(self, path: str, query: Query = (), limit: int | None = None) -> dict[str, Any]:
        """Return all pages of a list of the API as one: `items`, at most `limit`, and `next_cursor`.

        Raises CommandError for a list of more than MOST_PAGES pages.
        """
        items: list[dict[str, Any]] = []
        cursor = None
        for page in self.pages(path, query, limit):
            items += page["items"]
            cursor = page["next_cursor"]
        if cursor and limit is None:
            raise CommandError(f"The list is too long: it has more than {len(items)} items.")
        return {"items": items[:limit], "next_cursor": cursor}

    def pages(
        self, path: str, query: Query = (), limit: int | None = None, size: int = LARGEST_PAGE
    ) -> Iterator[dict[str, Any]]:
        """Yield up to MOST_PAGES pages of a list of the API, each with `items` and `next_cursor`.

        Stops after `limit` items. A cursor in `query` sets the start. `size` is the page size; 0 leaves it to
        `query` and the server.
        """
        self._since = time.monotonic()
        try:
            cursors: list[str] = []
            left = limit
            while len(cursors) < MOST_PAGES and (left is None or left > 0):
                page = self._page(path, query, cursors[-1:], size and min(size, left or size))
                yield page
                if not page["next_cursor"]:
                    return
                if page["next_cursor"] in cursors:
                    raise UnexpectedAnswer(not_reflow(self.server, "a list whose pages repeat"))
                cursors.append(page["next_cursor"])
                left = None if left is None else left - len(page["items"])
        finally:
            self._since = None

    def _page(self, path: str, query: Query, cursor: list[str], size: int) -> dict[str, Any]:
        if cursor:
            query = [*((name, value) for name, value in query if name != "cursor"), ("cursor", cursor[0])]
        page = self.ask_object("GET", path, [*query, ("limit", str(size))] if size else query)
        items, next_cursor = page.get("items"), page.get("next_cursor")
        are_objects = isinstance(items, list) and all(isinstance(item, dict) for item in items)
        if not are_objects or not isinstance(next_cursor, str | None):
            raise UnexpectedAnswer(not_reflow(self.server, "a list that Reflow does not write"))
        return {**page, "next_cursor": next_cursor}

    def _why_no_json(self, reply: Reply) -> str:
        if reply.content and reply.is_json:
            return incomplete(self.server)
        if reply.status in GATEWAY_ERRORS:
            return not_available(self.server, reply.status, reply.through)
        what = f"status {reply.status} and {reply.content_description}"
        return not_reflow(self.server, what, reply.through)

    def _problem(self, reply: Reply, data: Any) -> Exception:
        if not isinstance(data, dict) or not isinstance(data.get("code"), str):
            if reply.status in GATEWAY_ERRORS:
                return Unreachable(not_available(self.server, reply.status, reply.through))
            what = f"status {reply.status} and no problem document"
            return Unreachable(not_reflow(self.server, what, reply.through))
        if reply.status == 401 and self.credential:
            return ApiError(reply.status, data, self.credential.source.refusal(data, self.server))
        seconds = retry_after(reply.headers)
        problem = ApiError(reply.status, data, *problem_lines(reply.status, data, seconds))
        problem.retry_after = seconds
        return problem
