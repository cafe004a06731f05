"""What the server says of the credential: whether it is good, when it ends, whether a team has paid."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from reflow_accounts.cli.credentials import VARIABLE, Kind, Place
from reflow_accounts.cli.doctor.connection import SOON
from reflow_accounts.cli.doctor.findings import Finding, Findings, error, ok, warning
from reflow_accounts.cli.doctor.known_keys import KnownKey, known_keys
from reflow_accounts.cli.errors import CommandError, Problem
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.text import clean, shell, time_in
from reflow_accounts.contract import Code


class Account:
    """Asks who the credential is, and what else hangs on that."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.is_refused = False
        self._me: dict[str, Any] = {}

    def findings(self) -> Findings:
        """Say whether the credential is good. `is_refused` is known after the first."""
        try:
            self._me = self.client.ask_object("GET", "/me")
        except Problem as problem:
            yield from self._refused(problem)
            return
        except CommandError as fault:
            yield error("accepted", fault.lines[0], "reflow doctor")
            return
        yield ok("accepted", f"{self.client.credential and self.client.credential.place} is {self._whose()}")
        yield from self._expiry()
        yield self._subscription()

    def keys(self) -> list[KnownKey]:
        """Return the keys that the server tells of, revoked ones too; none when they cannot be asked for."""
        return list(known_keys(self.client, self._me))

    def _whose(self) -> str:
        user, by = _part(self._me, "user"), _part(self._me, "authenticated_by")
        key = f", key {clean(by.get('name'))}" if by.get("type") == "key" else ""
        return f"{clean(user.get('name'))}{key}"

    def _refused(self, problem: Problem) -> Findings:
        code = problem.document.get("code")
        if code == Code.SUBSCRIPTION_INACTIVE:
            yield ok("accepted", "the server knows the key")
            yield self._unpaid()
            return
        self.is_refused = problem.status == 401
        place = self.client.credential.place if self.client.credential else None
        mend = _mend(place)
        yield error("accepted", problem.lines[0], mend)
        if code == Code.EXPIRED_KEY:
            at = str(problem.document.get("expired_at"))[:16].replace("T", " ")
            yield error("expiry", f"the key ended at {at} UTC", mend)

    def _expiry(self) -> Findings:
        by = _part(self._me, "authenticated_by")
        if by.get("type") != "key":
            return
        try:
            key = self.client.ask_object("GET", f"/keys/{quote(str(by.get('id')), safe='')}")
        except CommandError:
            key = {"expires_at": "unknown"}
        ends = time_in(key, "expires_at")
        if ends is None and key.get("expires_at"):
            yield warning("expiry", "the server does not say when the key ends", "reflow keys list --json")
            return
        yield self._ends(ends, key)

    def _ends(self, ends: datetime | None, key: dict[str, Any]) -> Finding:
        if ends is None:
            return ok("expiry", "the key does not end by itself")
        if ends - datetime.now(UTC) >= SOON:
            return ok("expiry", f"the key ends on {ends:%Y-%m-%d}")
        user = _part(self._me, "user")
        command = ["reflow", "keys", "rotate"]
        if user.get("kind") != "person":
            command = ["reflow", "team", "service-accounts", "keys", "rotate", clean(user.get("name"))]
        return warning("expiry", f"the key ends at {ends:%Y-%m-%d %H:%M} UTC", shell(*command, key.get("id")))

    def _subscription(self) -> Finding:
        teams = self._me.get("teams")
        teams = [team for team in teams if isinstance(team, dict)] if isinstance(teams, list) else []
        active = [clean(team.get("name")) for team in teams if team.get("subscription") == "active"]
        if active:
            return ok("subscription", f"active for {', '.join(active)}")
        return self._unpaid()

    def _unpaid(self) -> Finding:
        page = f"open {self.client.server}/account/subscription"
        return error("subscription", "active for no team, so API keys open nothing", page)


def _part(document: dict[str, Any], name: str) -> dict[str, Any]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}


def _mend(place: Place | None) -> str:
    if place and place.kind is Kind.VARIABLE:
        return f"unset {VARIABLE} && reflow login"
    if place and place.kind in (Kind.REPOSITORY, Kind.HOME):
        return f"{shell('rm', place.path)} && reflow login"
    return place.remedy if place and place.kind is Kind.OPTION else "reflow login"
