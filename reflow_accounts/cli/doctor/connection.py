"""Checks whether a Reflow server answers at the address, its TLS certificate, and the clock."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from reflow_accounts.cli.doctor.findings import Finding, Findings, error, ok, warning
from reflow_accounts.cli.errors import Unreachable, readable_duration
from reflow_accounts.cli.http.retry import retry_after
from reflow_accounts.cli.http.server_address import is_exposed
from reflow_accounts.cli.http.transport import Reply, exchange
from reflow_accounts.cli.http.user_agent import user_agent
from reflow_accounts.cli.output import Spinner
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import API_PREFIX, Code

LARGEST_DIFFERENCE = timedelta(seconds=60)
SOON = timedelta(days=14)
TIMEOUT = 10  # seconds, to read a certificate
_TOO_MANY, _UNAVAILABLE = 429, 503
_SET_CLOCK = {"darwin": "sudo sntp -sS time.apple.com", "win32": "w32tm /resync"}


class ConnectionChecks:
    """Sends one request to the server, without a credential. `is_open` is true when Reflow takes requests."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.is_open = False
        self._reply: Reply | None = None

    def findings(self) -> Findings:
        """Yield the findings. `is_open` is set after the first."""
        yield self._check_reachable()
        yield self._check_tls()
        if self._reply is not None:
            yield _check_clock(self._reply)

    def _check_reachable(self) -> Finding:
        try:
            headers = {"Accept": "application/problem+json", "User-Agent": user_agent(os.environ)}
            with Spinner(self.server):
                self._reply = exchange(f"{self.server}{API_PREFIX}/me", "GET", headers, None)
        except Unreachable as fault:
            return error("reachable", fault.lines[0], shell("curl", "-v", f"{self.server}/healthz"))
        if _is_reflow(self._reply):
            later = _later(self._reply)
            self.is_open = not later
            if later:
                return error("reachable", f"{self.server} {later}", "reflow doctor")
            return ok("reachable", f"Reflow answers at {self.server}")
        detail = f"{self.server} answers with status {self._reply.status}, but it is not a Reflow server"
        return error("reachable", detail, shell("curl", "-v", f"{self.server}/healthz"))

    def _check_tls(self) -> Finding:
        if is_exposed(self.server):
            fix = shell("reflow", "--server", self.server.replace("http://", "https://", 1), "doctor")
            return error("tls", f"secrets travel unencrypted to {self.server}", fix)
        if self.server.startswith("http://"):
            return ok("tls", "not needed: the server is on this machine")
        with Spinner(self.server):
            end = _certificate_expiry(self.server)
        if end is None:
            if self._reply is None:
                return warning("tls", "the certificate could not be read", self._show_certificate())
            return ok("tls", "https; the certificate is trusted, its expiry date could not be read")
        if end - datetime.now(UTC) < SOON:
            return warning(
                "tls", f"the certificate ends on {end:%Y-%m-%d}: it must be renewed", self._show_certificate()
            )
        return ok("tls", f"https; the certificate is trusted until {end:%Y-%m-%d}")

    def _show_certificate(self) -> str:
        host, port = _host_of(self.server)
        return shell("openssl", "s_client", "-connect", f"{host}:{port}")


def _check_clock(reply: Reply) -> Finding:
    try:
        difference = datetime.now(UTC) - parsedate_to_datetime(reply.headers.get("Date", ""))
    except (TypeError, ValueError):
        return ok("clock", "the server does not tell its time")
    if abs(difference) <= LARGEST_DIFFERENCE:
        return ok("clock", "it agrees with the server's")
    seconds = round(difference.total_seconds())
    side = "ahead of" if seconds > 0 else "behind"
    detail = f"it is {readable_duration(abs(seconds))} {side} the server's"
    return warning("clock", detail, _SET_CLOCK.get(sys.platform, "sudo timedatectl set-ntp true"))


def _is_reflow(reply: Reply) -> bool:
    try:
        data = json.loads(reply.content)
    except (ValueError, RecursionError):
        return False
    if not isinstance(data, dict):
        return False
    return reply.status in (401, _TOO_MANY, _UNAVAILABLE) and str(data.get("code")) in set(Code)


def _later(reply: Reply) -> str:
    """Return why the server takes no requests now, and for how long, as the end of a sentence; "" if it does."""
    if reply.status not in (_TOO_MANY, _UNAVAILABLE):
        return ""
    why = "takes no more requests now" if reply.status == _TOO_MANY else "is not available now"
    seconds = retry_after(reply.headers)
    return f"{why}; try again in {readable_duration(seconds)}" if seconds else why


def _host_of(server: str) -> tuple[str, int]:
    parts = urlsplit(server)
    return parts.hostname or "", parts.port or 443


def _certificate_expiry(server: str) -> datetime | None:
    """Return when the server's certificate expires; None for an untrusted certificate and behind a proxy."""
    import socket
    import ssl
    import urllib.request

    host, port = _host_of(server)
    if "https" in urllib.request.getproxies() and not urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    try:
        with (
            socket.create_connection((host, port), timeout=TIMEOUT) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as connection,
        ):
            ends = (connection.getpeercert() or {}).get("notAfter")
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC)
    except (OSError, ValueError):
        return None
