"""Checks with the server whether the credential is accepted, its expiry and the subscription; lists known keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from reflow_accounts.cli.doctor.connection import SOON
from reflow_accounts.cli.doctor.findings import (
    Finding,
    Findings,
    error,
    ok,
    refused,
    service_account_rotation,
    warning,
)
from reflow_accounts.cli.errors import ApiError, CommandError
from reflow_accounts.cli.http.client import ApiClient, as_object, objects_in
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner, service_account_owner
from reflow_accounts.cli.text import api_path, clean, minute_in, shell, time_in
from reflow_accounts.contract import Code, Exit


class KnownKey(NamedTuple):
    """A key on the server: its last four characters, its owner as text, and the command that revokes it."""

    hint: str
    whose: str
    is_live: bool
    revoke_command: str


def known_keys(client: ApiClient, me: dict[str, Any]) -> Iterator[KnownKey]:
    """Yield all keys that the user manages, also revoked ones, the user's own first.

    `me` is the answer of GET /me. Lists that the server refuses are left out.
    """
    if not me:
        return
    yield from _keys_of(client, OWN, "yours")
    teams = objects_in(me.get("teams"))
    for team in teams:
        if team.get("rights") != "admin":
            continue
        accounts = api_path("/teams", team.get("id"), "service-accounts")
        options = ["--team", team.get("id")] if len(teams) > 1 else []
        for account in _list_or_nothing(client, accounts):
            owner = service_account_owner(accounts, account, *options)
            yield from _keys_of(client, owner, f"that of the service account {clean(account.get('name'))}")


def _keys_of(client: ApiClient, owner: KeyOwner, whose: str) -> Iterator[KnownKey]:
    for key in _list_or_nothing(client, owner.path, ("state", "all")):
        ends = time_in(key, "expires_at")
        is_live = not key.get("revoked_at") and (ends is None or ends > datetime.now(UTC))
        yield KnownKey(str(key.get("hint")), whose, is_live, owner.command_for("revoke", key))


def _list_or_nothing(client: ApiClient, path: str, *query: tuple[str, str]) -> list[dict[str, Any]]:
    try:
        items: list[dict[str, Any]] = client.listing(path, query)["items"]
    except CommandError:
        return []
    return items


class AccountChecks:
    """Checks the credential of `client`. `options` select it and its server in the commands to show."""

    def __init__(self, client: ApiClient, options: list[str]) -> None:
        self.client = client
        self.options = options
        self.exit_code = Exit.FAILED
        self._me: dict[str, Any] = {}

    def findings(self) -> Findings:
        """Yield the findings. `exit_code`, for the case that there is a problem, is set after the first."""
        try:
            self._me = self.client.ask_object("GET", "/me")
        except ApiError as problem:
            yield from self._refused(problem)
            return
        except CommandError as fault:
            self.exit_code = fault.exit_code
            yield error("accepted", fault.lines[0], self._command("doctor"))
            return
        by = as_object(self._me.get("authenticated_by"))
        key = f", key {clean(by.get('name'))}" if by.get("type") == "key" else ""
        user = f"{clean(as_object(self._me.get('user')).get('name'))}{key}"
        yield ok("accepted", f"{self.client.credential and self.client.credential.source} is {user}")
        yield from self._expiry()
        teams = objects_in(self._me.get("teams"))
        active = [clean(team.get("name")) for team in teams if team.get("subscription") == "active"]
        yield ok("subscription", f"active for {', '.join(active)}") if active else self._inactive()

    def keys(self) -> list[KnownKey]:
        """Return the keys that the user manages, also revoked ones; none when the server refuses."""
        keys = known_keys(self.client, self._me)
        options = f" {shell(*self.options)}" if self.options else ""
        return [key._replace(revoke_command=f"{key.revoke_command}{options}") for key in keys]

    def _command(self, *args: object) -> str:
        return shell("reflow", *args, *self.options)

    def _refused(self, problem: ApiError) -> Findings:
        code = problem.document.get("code")
        if code == Code.SUBSCRIPTION_INACTIVE:
            yield ok("accepted", "the server knows the key")
            if problem.document.get("has_team") is False:
                why = "the key's user is in no team, so API keys are refused"
                yield error("subscription", why, "ask an Admin of the team to invite the user")
            else:
                yield self._inactive()
            return
        if problem.exit_code in (Exit.NOT_SIGNED_IN, Exit.UNREACHABLE):
            self.exit_code = problem.exit_code
        credential = self.client.credential
        if problem.status != 401 or credential is None:
            yield error("accepted", problem.lines[0], self._command("doctor"))
            return
        cause, fix = refused(credential.source, problem, self.client.server)
        yield error("accepted", cause, fix)
        if code == Code.EXPIRED_KEY:
            at = minute_in(problem.document, "expired_at") or "an unknown time"
            yield error("expiry", f"the key ended at {at}", fix)

    def _expiry(self) -> Findings:
        by = as_object(self._me.get("authenticated_by"))
        if by.get("type") != "key":
            return
        try:
            key = self.client.ask_object("GET", api_path("/keys", by.get("id")))
        except CommandError:
            key = {"expires_at": "unknown"}
        ends = time_in(key, "expires_at")
        if ends is None and key.get("expires_at"):
            fix = self._command("keys", "list", "--json")
            yield warning("expiry", "the server does not say when the key ends", fix)
        elif ends is None:
            yield ok("expiry", "the key does not end by itself")
        elif ends - datetime.now(UTC) >= SOON:
            yield ok("expiry", f"the key ends on {ends:%Y-%m-%d}")
        else:
            yield self._ends_soon(key)

    def _ends_soon(self, key: dict[str, Any]) -> Finding:
        detail = f"the key ends at {minute_in(key, 'expires_at')}"
        credential = self.client.credential
        if credential is None or as_object(self._me.get("user")).get("kind") == "person":
            return warning("expiry", detail, self._command("keys", "rotate", key.get("id")))
        return warning(
            "expiry",
            f"{detail}; it belongs to a service account, so an Admin of the team rotates it",
            service_account_rotation(credential.source, self._me, key.get("id"), self.client.server),
        )

    def _inactive(self) -> Finding:
        if self._me and not self._me.get("teams"):
            return error("subscription", "you are in no team", "ask an Admin of your team to invite you")
        page = f"open {self.client.server}/account/subscription"
        return error("subscription", "no team has an active subscription, so API keys are refused", page)
