"""Login with a browser: show a code, open the page, and poll until it is approved (RFC 8628)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from reflow_accounts.cli.errors import ApiError, NotSignedIn, Unreachable
from reflow_accounts.cli.http.client import ApiClient, as_object
from reflow_accounts.cli.http.user_agent import is_ci
from reflow_accounts.cli.login.session_store import SessionStore
from reflow_accounts.cli.login.sessions import LOST_SESSION, log_in, with_lost_session
from reflow_accounts.cli.output import say
from reflow_accounts.cli.text import clean
from reflow_accounts.contract import DEVICE_GRANT

_OPEN = "import sys, webbrowser; webbrowser.open(sys.argv[1])"

CLIENT_ID = "reflow"
# RFC 8628, 3.5: the default interval, and the increment after `slow_down`, in seconds.
INTERVAL = SLOWER = 5
# The longest times that the server may set, in seconds.
LONGEST_INTERVAL, LONGEST_LIFE = 60, 3600
_ERRORS = {
    "access_denied": "The login was denied in the browser. Nothing was kept.",
    "expired_token": "The code has expired. Run reflow login again for a new one.",
    "invalid_grant": "The server no longer knows this login. Run reflow login again; if you had approved it, "
    "end its session in Account > Security.",
}


def can_open(environ: Mapping[str, str], system: str = sys.platform) -> bool:
    """Return whether the user would see a page that this process opens: not in CI and not over SSH.

    With the variable BROWSER, only CI matters.
    """
    if is_ci(environ):
        return False
    if environ.get("BROWSER"):
        return True
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return False
    if system in ("win32", "darwin"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def open_page(address: str) -> None:
    """Open a web page without waiting for it.

    The browser runs in a separate process, so that it does not write to our terminal, keep our output open, or
    end with our Ctrl-C.
    """
    import contextlib
    import subprocess

    quiet = subprocess.DEVNULL
    with contextlib.suppress(OSError):
        subprocess.Popen(  # noqa: S603  # our own Python; no shell reads the address
            [sys.executable, "-I", "-c", _OPEN, address],
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            start_new_session=True,
        )


def was_enter_pressed(seconds: float) -> bool:
    """Wait up to `seconds` for Enter on the terminal and return whether it was pressed."""
    return _wait_on_windows(seconds) if os.name == "nt" else _wait_on_posix(seconds)


def _wait_on_posix(seconds: float) -> bool:
    import select

    try:
        if not select.select([sys.stdin], [], [], seconds)[0]:
            return False
        # Terminals return a whole line; at the end of the input the result is empty.
        if os.read(sys.stdin.fileno(), 4096):
            return True
    except (OSError, ValueError):
        pass
    time.sleep(seconds)
    return False


def _wait_on_windows(seconds: float) -> bool:
    import msvcrt

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while msvcrt.kbhit():  # type: ignore[attr-defined]  # Windows only
            if msvcrt.getwch() in "\r\n":  # type: ignore[attr-defined]
                return True
        time.sleep(0.1)
    return False


def log_in_with_browser(server: str, store: SessionStore, environ: Mapping[str, str]) -> dict[str, Any]:
    """Log in with a browser and return the session as `sessions.log_in` does.

    The caller checks that a user is present. Raises NotSignedIn when the login is denied or not approved in
    time, and the errors of `ApiClient.ask` and `log_in`.
    """
    return log_in(server, store, lambda: _approved_session(server, environ))


def _approved_session(server: str, environ: Mapping[str, str]) -> dict[str, Any]:
    import socket

    client = ApiClient(server)
    host = socket.gethostname().encode("utf-8", "replace").decode()[:255].replace("\0", "")
    data = client.ask_object("POST", "/device/code", body={"client_id": CLIENT_ID, "host": host})
    code = DeviceCode(server, data)
    may_open = can_open(environ) and code.is_at_the_server
    say(f"Your code: {code.user_code}", f"Open {code.page} and enter it.")
    if not code.is_at_the_server:
        say(f"That page is not at {server}: continue only if you know that it belongs to this server.")
    if may_open:
        say("Press Enter to open it in your browser. Waiting …")
    else:
        say("Waiting …")
    poll = _Poll(client, code, may_open)
    try:
        return poll.until_approved()
    except KeyboardInterrupt:
        if poll.is_answer_missing:
            say(LOST_SESSION)
        raise


class DeviceCode:
    """The device authorization response (RFC 8628, 3.2). Raises Unreachable when it is not usable."""

    def __init__(self, server: str, data: dict[str, Any]) -> None:
        fields = [data.get(name) for name in ("device_code", "user_code", "verification_uri")]
        if not all(isinstance(field, str) and field for field in fields):
            raise Unreachable(f"{server} answered without a code, so it is not a Reflow server.")
        self.device_code, user_code, page = map(str, fields)
        scheme, host = _origin(page)
        self.is_at_the_server = (scheme, host) == _origin(server)
        # The page needs https unless the server has http, and may not contain a user name or password.
        is_safe = scheme == "https" or (scheme == "http" and server.startswith("http:"))
        if not (is_safe and host and "@" not in host and page.isprintable()):
            raise Unreachable(
                f"{server} named a page that is not a safe web address, so it is not a Reflow server."
            )
        self.user_code, self.page = clean(user_code), clean(page)
        self.interval = _seconds(data.get("interval"), INTERVAL, LONGEST_INTERVAL)
        self.expires_in = _seconds(data.get("expires_in"), LONGEST_LIFE, LONGEST_LIFE)


def _origin(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc


def _seconds(value: object, default: int, most: int) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return min(max(int(str(value)), 1), most) if is_number else default


class _Poll:
    """Polls the token endpoint at the interval that the server asks for."""

    def __init__(self, client: ApiClient, code: DeviceCode, may_open: bool) -> None:
        self.client, self.code, self.may_open = client, code, may_open
        self.interval = code.interval
        # Longer than the interval after network failures.
        self.pause = 0
        # A poll was sent, and its outcome is unknown.
        self.is_answer_missing = False

    def until_approved(self) -> dict[str, Any]:
        payload = {"grant_type": DEVICE_GRANT, "device_code": self.code.device_code, "client_id": CLIENT_ID}
        end = time.monotonic() + self.code.expires_in
        while time.monotonic() < end:
            self._wait(min(max(self.pause, self.interval), end - time.monotonic()))
            try:
                self.is_answer_missing = True
                token = self.client.ask_object("POST", "/device/token", body=payload)
                return {**as_object(token.get("session")), "secret": token.get("access_token")}
            except Unreachable as fault:
                # RFC 8628, 3.5: double the delay after each network failure.
                self.pause = min(2 * max(self.pause, self.interval), LONGEST_INTERVAL)
                if time.monotonic() + self.pause >= end:
                    raise with_lost_session(fault) from None
            except ApiError as problem:
                self.pause, self.is_answer_missing = 0, False
                self._adjust_interval(problem)
        raise NotSignedIn(_ERRORS["expired_token"])

    def _wait(self, seconds: float) -> None:
        """Wait, and open the page if the user presses Enter."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self.may_open:
                time.sleep(left)
            elif was_enter_pressed(left):
                self.may_open = False
                open_page(self.code.page)
                say("If no browser appears, open the page by hand.")

    def _adjust_interval(self, problem: ApiError) -> None:
        """Set the next interval. Raises NotSignedIn or `problem` for an error that ends the polling."""
        error = problem.document.get("error")
        if error == "slow_down":
            self.interval = min(self.interval + SLOWER, LONGEST_INTERVAL)
        elif problem.status in (429, 503):
            self.interval = min(2 * self.interval, LONGEST_INTERVAL)
        elif error != "authorization_pending":
            raise NotSignedIn(_ERRORS[error]) if isinstance(error, str) and error in _ERRORS else problem
