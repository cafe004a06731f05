"""The line to the API: one request, one answer, and never a secret to anybody else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reflow_accounts.cli.credentials import Credential
from reflow_accounts.cli.errors import CommandError, OddAnswer, Problem, Unreachable, explanation
from reflow_accounts.cli.http.errors import GATEWAY_FAULTS, away, broken_off
from reflow_accounts.cli.http.json_values import json_in
from reflow_accounts.cli.http.retry import answered, date_in, seconds_until_retry
from reflow_accounts.cli.http.spinner import Spinner
from reflow_accounts.cli.http.transport import Reply, exchange
from reflow_accounts.cli.http.user_agent import user_agent
from reflow_accounts.contract import API_PREFIX

if TYPE_CHECKING:
    from datetime import datetime

LARGEST_PAGE = 200
MOST_PAGES = 500

Query = Iterable[tuple[str, str]]


class Client:
    """Asks the API of `server`, as `credential` when there is one."""

    def __init__(self, server: str, credential: Credential | None = None) -> None:
        self.server = server
        self.credential = credential
        # When the work of several requests began: their whole time is what a person waits.
        self._since: float | None = None
        self._date, self._dated = "", 0.0

    def now(self) -> datetime:
        """Return the time, to a second: the server's, if its last answer told it, else ours."""
        from datetime import UTC, datetime, timedelta

        told = date_in(self._date)
        return told + timedelta(seconds=time.monotonic() - self._dated) if told else datetime.now(UTC)

    def ask(self, method: str, path: str, query: Query = (), body: object = None) -> Any:
        """Return the JSON that the API answers (None for 204).

        `path` follows the prefix ("/me"). Raises Problem when the API refuses, Unreachable when no
        answer of Reflow came.
        """
        return self.read(self.send(method, path, query, body))

    def send(self, method: str, path: str, query: Query = (), body: object = None) -> Reply:
        """Return what came back, whatever it is, after the waits that the server asked for."""
        url, headers, content = self._url(path, query), self._headers(body), _encoded(body)

        def exchanged() -> Reply:
            with Spinner(self.server, self._since):
                return exchange(url, method, headers, content)

        reply = answered(exchanged, method, self.server)
        self._date, self._dated = reply.headers.get("Date", ""), time.monotonic()
        return reply

    def read(self, reply: Reply) -> Any:
        """Return the JSON in a reply (None for 204). Raises Problem and Unreachable as `ask` does."""
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
            raise OddAnswer(self._strange("JSON that Reflow does not write"))
        return answer

    def listing(self, path: str, query: Query = (), limit: int | None = None) -> dict[str, Any]:
        """Return a list of the API over all its pages, at most `limit` items: items, next_cursor.

        Raises CommandError for a list that does not end.
        """
        items: list[dict[str, Any]] = []
        cursor = None
        for page in self.pages(path, query, limit):
            items += page["items"]
            cursor = page["next_cursor"]
        if cursor and limit is None:
            raise CommandError(f"The list is too long: {len(items)} items came, and there are more.")
        return {"items": items[:limit], "next_cursor": cursor}

    def pages(
        self, path: str, query: Query = (), limit: int | None = None, size: int = LARGEST_PAGE
    ) -> Iterator[dict[str, Any]]:
        """Yield the pages of a list of the API, each with items and next_cursor, until `limit` items came.

        A cursor in `query` says where to begin. `size` is that of a page; 0 leaves it to `query` and the
        server. Ends after MOST_PAGES.
        """
        self._since = time.monotonic()
        try:
            cursors: list[str] = []
            wanted = limit
            while len(cursors) < MOST_PAGES and (wanted is None or wanted > 0):
                page = self._page(path, query, cursors[-1:], size and min(size, wanted or size))
                yield page
                if not page["next_cursor"]:
                    return
                if page["next_cursor"] in cursors:
                    raise OddAnswer(self._strange("a list that goes round in circles"))
                cursors.append(page["next_cursor"])
                wanted = None if wanted is None else wanted - len(page["items"])
        finally:
            self._since = None

    def _page(self, path: str, query: Query, cursor: list[str], size: int) -> dict[str, Any]:
        if cursor:
            query = [*((name, word) for name, word in query if name != "cursor"), ("cursor", cursor[0])]
        page = self.ask_object("GET", path, [*query, ("limit", str(size))] if size else query)
        items, further = page.get("items"), page.get("next_cursor")
        are_objects = isinstance(items, list) and all(isinstance(item, dict) for item in items)
        if not are_objects or not isinstance(further, str | None):
            raise OddAnswer(self._strange("a list that Reflow does not write"))
        return {**page, "next_cursor": further}

    def _url(self, path: str, query: Query) -> str:
        from urllib.parse import urlencode

        url = f"{self.server}{API_PREFIX}{path}"
        words = urlencode(list(query), errors="surrogatepass")
        return f"{url}{'&' if '?' in path else '?'}{words}" if words else url

    def _headers(self, body: object) -> dict[str, str]:
        headers = {
            "Accept": "application/json, application/problem+json",
            "User-Agent": user_agent(os.environ),
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.credential:
            headers["Authorization"] = f"Bearer {self.credential.secret}"
        return headers

    def _document(self, reply: Reply) -> Any:
        try:
            return json_in(reply.content)
        except ValueError:
            if reply.content and reply.is_json:
                raise Unreachable(broken_off(self.server)) from None
            if reply.status in GATEWAY_FAULTS:
                raise Unreachable(away(self.server, reply.status, reply.through)) from None
            what = f"status {reply.status} and {reply.described_content}"
            raise Unreachable(self._strange(what, reply.through)) from None

    def _problem(self, reply: Reply, answer: Any) -> Exception:
        if not isinstance(answer, dict) or not isinstance(answer.get("code"), str):
            if reply.status in GATEWAY_FAULTS:
                return Unreachable(away(self.server, reply.status, reply.through))
            return Unreachable(self._strange(f"status {reply.status} and no problem document", reply.through))
        if reply.status == 401 and self.credential:
            return Problem(reply.status, answer, self.credential.place.refused(answer["code"], self.server))
        seconds = seconds_until_retry(reply.headers)
        problem = Problem(reply.status, answer, *explanation(reply.status, answer, seconds))
        problem.retry_after = seconds
        return problem

    def _redirected(self, reply: Reply) -> Unreachable:
        return Unreachable(
            f"{self.server} sends us on to {reply.redirect_target}. "
            "No redirect is followed, so that your secret reaches nobody else.",
            "If you trust that address, name it with --server; "
            "if it is your network that asks you to sign in, do that in a browser.",
        )

    def _strange(self, what: str, through: str = "") -> str:
        by = f", asked through {through}," if through else ""
        return (
            f"{self.server}{by} answered with {what}, so it is not Reflow that answers. "
            "Check the address (--server, REFLOW_SERVER) and whether your network asks you to sign in."
        )


def _encoded(body: object) -> bytes | None:
    if body is None:
        return None
    import json

    return json.dumps(body).encode()
