"""The line to the API: one request, one answer, and never a secret to anybody else."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from typing import Any

from reflow_accounts import __version__
from reflow_accounts.cli.credentials import Credential
from reflow_accounts.cli.errors import Problem, Unreachable, explanation
from reflow_accounts.cli.transport import Reply, exchange
from reflow_accounts.contract import API_PREFIX

LARGEST_PAGE = 200

Query = Iterable[tuple[str, str]]


class Client:
    """Asks the API of `server`, as `credential` when there is one."""

    def __init__(self, server: str, credential: Credential | None = None) -> None:
        self.server = server
        self.credential = credential

    def ask(self, method: str, path: str, query: Query = (), body: object = None) -> Any:
        """Return the JSON that the API answers (None for 204).

        `path` follows the prefix ("/me"). Raises Problem when the API refuses, Unreachable when no
        answer of Reflow came.
        """
        reply = exchange(self._url(path, query), method, self._headers(body), _encoded(body))
        if 300 <= reply.status < 400:
            raise self._redirected(reply)
        if reply.status == 204:
            return None
        answer = self._document(reply)
        if reply.status >= 400:
            raise self._problem(reply, answer)
        return answer

    def ask_object(self, method: str, path: str, query: Query = (), body: object = None) -> dict[str, Any]:
        """Like `ask`, for answers that are one JSON object; anything else is Unreachable."""
        answer = self.ask(method, path, query, body)
        if not isinstance(answer, dict):
            raise self._stranger("JSON that Reflow does not write")
        return answer

    def listing(self, path: str, query: Query = (), limit: int | None = None) -> dict[str, Any]:
        """Return a list of the API over all its pages, at most `limit` items: items, next_cursor."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            size = LARGEST_PAGE if limit is None else min(LARGEST_PAGE, limit - len(items))
            page = self._page(path, [*query, ("limit", str(size))], cursor)
            items += page["items"]
            cursor = page.get("next_cursor")
            if not cursor or cursor in seen or (limit is not None and len(items) >= limit):
                return {"items": items[:limit], "next_cursor": cursor}
            seen.add(cursor)

    def _page(self, path: str, query: list[tuple[str, str]], cursor: str | None) -> dict[str, Any]:
        page = self.ask_object("GET", path, [*query, ("cursor", cursor)] if cursor else query)
        items = page.get("items")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self._stranger("a list that Reflow does not write")
        return page

    def _url(self, path: str, query: Query) -> str:
        from urllib.parse import urlencode

        url = f"{self.server}{API_PREFIX}{path}"
        words = urlencode(list(query))
        return f"{url}{'&' if '?' in path else '?'}{words}" if words else url

    def _headers(self, body: object) -> dict[str, str]:
        headers = {
            "Accept": "application/json, application/problem+json",
            "User-Agent": f"reflow/{__version__} ({platform.system()} {platform.machine()})",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.credential:
            headers["Authorization"] = f"Bearer {self.credential.secret}"
        return headers

    def _document(self, reply: Reply) -> Any:
        try:
            return json.loads(reply.content)
        except (ValueError, RecursionError):
            raise self._stranger(f"status {reply.status} and {reply.described_content}") from None

    def _problem(self, reply: Reply, answer: Any) -> Exception:
        if not isinstance(answer, dict) or not isinstance(answer.get("code"), str):
            return self._stranger(f"status {reply.status} and no problem document")
        if reply.status == 401 and self.credential:
            return Problem(reply.status, answer, self.credential.place.refused(answer["code"], self.server))
        return Problem(reply.status, answer, *explanation(reply.status, answer, reply.retry_after))

    def _redirected(self, reply: Reply) -> Unreachable:
        return Unreachable(
            f"{self.server} sends us on to {reply.redirect_target}. "
            "No redirect is followed, so that your secret reaches nobody else.",
            "If you trust that address, name it with --server.",
        )

    def _stranger(self, what: str) -> Unreachable:
        return Unreachable(
            f"{self.server} answered with {what}, so it is not Reflow that answers. "
            "Check the address (--server, REFLOW_SERVER) and whether your network asks you to sign in."
        )


def _encoded(body: object) -> bytes | None:
    return None if body is None else json.dumps(body).encode()
