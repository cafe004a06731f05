"""Logging in by way of a browser: show a code, wait until it is approved (RFC 8628)."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import NotSignedIn, Problem, Unreachable
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.http.json_values import an_object
from reflow_accounts.cli.login.browser import can_open, open_page
from reflow_accounts.cli.login.keyboard import was_enter_pressed
from reflow_accounts.cli.login.lost_answers import HINT, with_hint
from reflow_accounts.cli.output import say
from reflow_accounts.cli.text import clean
from reflow_accounts.contract import DEVICE_GRANT

CLIENT_ID = "reflow"
# RFC 8628, 3.5: without an interval; and how much longer to wait when told to slow down.
INTERVAL = SLOWER = 5
# What a server may ask for at most, in seconds.
LONGEST_INTERVAL, LONGEST_LIFE = 60, 3600

_ENDINGS = {
    "access_denied": "The login was denied in the browser. Nothing was kept.",
    "expired_token": "The code has expired. Run reflow login again for a new one.",
    "invalid_grant": "The server knows this login no more. Run reflow login again; if you had approved it, "
    "end its session in Account > Security.",
}


def session_by_browser(context: Context) -> dict[str, Any]:
    """Show a code and return the session of whoever approves it: the API's words and the `secret`.

    Raises NotSignedIn when it is denied or not approved in time, and what the API refuses.
    """
    client = Client(context.server)
    asked = _Asked(context.server, client.ask_object("POST", "/device/code", body=_who_asks()))
    may_open = can_open(context.environ) and asked.is_at_the_server
    say(f"Your code: {asked.code}", f"Open {asked.page} and enter it.")
    if not asked.is_at_the_server:
        say(f"That page is not at {context.server}: go on only if you know that it belongs to it.")
    if may_open:
        say("Press Enter to open it in your browser. Waiting …")
    else:
        say("Waiting …")
    return _Waiting(client, asked, may_open).session()


def _who_asks() -> dict[str, str]:
    import socket

    name = socket.gethostname().encode("utf-8", "replace").decode()
    return {"client_id": CLIENT_ID, "host": name[:255].replace("\0", "")}


class _Asked:
    """What the server answered: codes, the page, and how long to wait. Raises Unreachable for anything else."""

    def __init__(self, server: str, answer: dict[str, Any]) -> None:
        words = [answer.get(name) for name in ("device_code", "user_code", "verification_uri")]
        if not all(isinstance(word, str) and word for word in words):
            raise Unreachable(f"{server} answered without a code, so it is not Reflow that answers.")
        self.device_code, code, page = map(str, words)
        self.is_at_the_server = _origin(page) == _origin(server)
        if not _is_web_page(page, server):
            raise Unreachable(f"{server} named a page that is no web page, so it is not Reflow that answers.")
        self.code, self.page = clean(code), clean(page)
        self.interval = _seconds(answer.get("interval"), INTERVAL, LONGEST_INTERVAL)
        self.lasts = _seconds(answer.get("expires_in"), LONGEST_LIFE, LONGEST_LIFE)


def _origin(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc


def _is_web_page(page: str, server: str) -> bool:
    """Say whether a page can be shown: no less safe than the server, and without a name and a password in it."""
    scheme, host = _origin(page)
    is_safe = scheme == "https" or (scheme == "http" and server.startswith("http:"))
    return is_safe and bool(host) and "@" not in host and page.isprintable()


def _seconds(value: object, usual: int, most: int) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return min(max(int(str(value)), 1), most) if is_number else usual


class _Waiting:
    """The polls, as far apart as the server wants them."""

    def __init__(self, client: Client, asked: _Asked, may_open: bool) -> None:
        self.client, self.asked, self.may_open = client, asked, may_open
        self.interval = asked.interval
        # Longer than the interval after failures of the line.
        self.pause = 0
        # A poll was sent, and what came of it is not known.
        self.is_unsure = False

    def session(self) -> dict[str, Any]:
        try:
            return self._session()
        except KeyboardInterrupt:
            if self.is_unsure:
                say(HINT)
            raise

    def _session(self) -> dict[str, Any]:
        end = time.monotonic() + self.asked.lasts
        while time.monotonic() < end:
            self._wait(min(max(self.pause, self.interval), end - time.monotonic()))
            try:
                return self._session_in(self._poll())
            except Unreachable as fault:
                # RFC 8628, 3.5: wait twice as long after each failure of the line.
                self.pause = min(2 * max(self.pause, self.interval), LONGEST_INTERVAL)
                if time.monotonic() + self.pause >= end:
                    raise with_hint(fault) from None
            except Problem as problem:
                self.pause, self.is_unsure = 0, False
                self._go_on_or_end(problem)
        raise NotSignedIn(_ENDINGS["expired_token"])

    def _wait(self, seconds: float) -> None:
        """Wait, and open the page when the person presses Enter meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self.may_open:
                time.sleep(left)
            elif was_enter_pressed(left):
                self.may_open = False
                open_page(self.asked.page)
                say("If no browser appears, open the page by hand.")

    def _poll(self) -> dict[str, Any]:
        self.is_unsure = True
        words = {"grant_type": DEVICE_GRANT, "device_code": self.asked.device_code, "client_id": CLIENT_ID}
        return self.client.ask_object("POST", "/device/token", body=words)

    def _go_on_or_end(self, problem: Problem) -> None:
        error = problem.document.get("error")
        if error == "slow_down":
            self.interval = min(self.interval + SLOWER, LONGEST_INTERVAL)
        elif problem.status in (429, 503):
            self.interval = min(2 * self.interval, LONGEST_INTERVAL)
        elif error != "authorization_pending":
            raise NotSignedIn(_ENDINGS[error]) if isinstance(error, str) and error in _ENDINGS else problem

    def _session_in(self, token: dict[str, Any]) -> dict[str, Any]:
        return {**an_object(token.get("session")), "secret": token.get("access_token")}
