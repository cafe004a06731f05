"""Exported logs contain hash chains, so that changed, removed, added or moved entries are found offline."""

import hashlib
import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from reflow_accounts.activity import chain
from reflow_accounts.activity.export import Seal
from reflow_accounts.activity.models import ChainLink
from reflow_accounts.api_keys.models import Use
from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.cli.commands.verify_activity import Tampered, check
from reflow_accounts.contract import digest_of_fields
from reflow_accounts.database import db, now
from tests.api_keys.usage import use_log
from tests.helpers.at_once import at_once

PATH = "/activity/export"


@pytest.fixture
def exported(app, cast, api):
    """Return a function that exports Ada's log as lines, after some events and uses of hers and of her team."""
    keys = [cast.ada.key("CI"), cast.ci.key("deploy")]
    for key in keys * 3:
        api(key.secret).get("/me", headers={"User-Agent": "Ünïcode \u2028 1"})
    extend_chains(app)
    api(keys[0].secret).get("/nothing")
    session = cast.ada.session()

    def export(query: str = "") -> list[bytes]:
        response = api(session).get(PATH + query)
        assert response.status_code == 200, response.text
        assert response.mimetype == "application/jsonl"
        return response.data.splitlines(keepends=True)

    return export


def extend_chains(app) -> None:
    with app.app_context():
        chain.extend_with_events()
        chain.extend_with_uses()


def with_valid_seal(lines: list[bytes]) -> list[bytes]:
    """Return the lines with a recomputed last line, as an attacker would write it."""
    seal = Seal()
    for line in lines[:-1]:
        seal.add(line)
    return [*lines[:-1], seal.line]


def parsed(lines: list[bytes], kind: str) -> list[dict]:
    return [line for line in map(json.loads, lines) if line["type"] == kind]


def test_digest_is_of_canonical_json():
    line = {"b": "ü\u2028", "a": 1, "c": None, "d": "left out"}
    expected = hashlib.sha256('{"a":1,"b":"ü\u2028","c":null}'.encode())
    assert digest_of_fields(line, ("b", "a", "c")) == expected.digest()


def test_export_passes_the_check(app, cast, exported):
    lines = exported()
    result = check(lines)
    assert (result["uses"], result["unlinked_uses"], result["unlinked_events"]) == (6, 1, 0)
    assert result["events"] == len(parsed(lines, "event"))
    assert {cast.ada.id, cast.acme.id, cast.ci.id} <= result["heads"].keys()
    earlier = result["heads"][cast.ada.id]
    extend_chains(app)
    later = exported()
    assert check(later, earlier)["unlinked_uses"] == 0
    with pytest.raises(Tampered, match="--head"):
        check(later, "0" * 63 + "1")


def test_event_of_a_service_account_passes_the_check(cast, api, exported):
    key = cast.ci.key("old name")
    api(key.secret).patch(f"/keys/{key.id}", json={"name": "new name"})
    lines = exported()
    [renamed] = [event for event in parsed(lines, "event") if event["action"] == "api_key.renamed"]
    assert (renamed["by"], renamed["address"]) == (cast.ci.full_name, "127.0.0.1")
    assert check(lines)["unlinked_events"] == 0


def test_event_of_a_member_is_checked_without_the_address(cast, api, exported):
    assert api(cast.ben.session()).delete(f"/teams/{cast.acme.id}/members/{cast.ben.id}").status_code == 204
    lines = exported()
    [left] = [event for event in parsed(lines, "event") if event["action"] == "member.left"]
    assert (left["by"], left["address"]) == (cast.ben.full_name, "")
    assert check(lines)["unlinked_events"] == 0


def test_views_of_support_are_in_no_chain(cast, client, exported):
    before = len(parsed(exported(), "link"))
    cast.sam.sign_in(client).page(f"/support/teams/{cast.acme.id}")
    assert len(parsed(exported(), "link")) == before


def test_filtered_export_is_checked_and_reported_as_incomplete(exported):
    result = check(exported("?outcome=accepted"))
    assert (result["uses"], result["events"], result["complete"]) == (6, 0, False)


def test_export_of_a_member_contains_only_the_chain_of_that_member(cast, api, exported):
    exported()
    lines = api(cast.vic.session()).get(PATH).data.splitlines(keepends=True)
    assert {link["chain"] for link in parsed(lines, "link")} == {cast.vic.id}
    assert check(lines)["unlinked_events"]


def test_pruned_uses_leave_their_digests(app, cast, api):
    key = use_log.key_number(app, cast.ada.key("CI").id)
    for days in (401, 400, 0):
        use_log.append(app, key, now() - timedelta(days=days))
    answer = app.test_cli_runner().invoke(args=["uses", "prune", "--older-than", "365"])
    assert answer.output.startswith("2 uses"), answer.output
    lines = api(cast.ada.session()).get(PATH).data.splitlines(keepends=True)
    result = check(lines)
    assert (result["pruned_digests"], result["uses"]) == (1, 0)


def test_pruned_uses_are_in_the_chain_also_when_another_process_adds_them(app, cast, monkeypatch):
    monkeypatch.setattr(chain, "USES_AT_ONCE", 1)
    key = use_log.key_number(app, cast.ada.key("CI").id)
    for _ in range(20):
        use_log.append(app, key, now() - timedelta(days=400))
    prune = ["uses", "prune", "--older-than", "365"]
    at_once([lambda: extend_chains(app), lambda: app.test_cli_runner().invoke(args=prune)])
    with app.app_context():
        query = select(func.sum(ChainLink.count)).where(ChainLink.kind == "uses")
        assert db.session.scalar(query) == 20


def test_use_deleted_from_the_database_is_detected(app, cast, exported):
    exported()
    with app.app_context():
        first = db.session.scalars(select(Use.id).order_by(Use.id)).first()
        db.session.execute(delete(Use).where(Use.id == first))
        db.session.commit()
    with pytest.raises(Tampered, match=f"uses from use_{first} "):
        check(exported())


def test_event_changed_in_the_database_is_detected(app, cast, exported):
    exported()
    with app.app_context():
        db.session.execute(update(AuditEvent).where(AuditEvent.subject == "CI").values(subject="other"))
        db.session.commit()
    with pytest.raises(Tampered, match=r"evt_\d+ was changed"):
        check(exported())


def test_change_of_any_field_of_a_use_is_detected(exported):
    lines = exported()
    at = next(number for number, line in enumerate(lines) if json.loads(line).get("path") == "/api/v1/me")
    for field in ("at", "key", "method", "path", "outcome", "address", "user_agent"):
        changed = json.dumps(json.loads(lines[at]) | {field: "other"}).encode() + b"\n"
        with pytest.raises(Tampered, match="do not have the digest"):
            check(with_valid_seal([*lines[:at], changed, *lines[at + 1 :]]))


@pytest.mark.parametrize("forged", [False, True])
def test_every_change_of_a_file_is_detected(exported, forged):
    """With `forged`, the last line is recomputed; then only what the chains cover is protected."""
    lines = exported()
    covered = [
        number
        for number, line in enumerate(map(json.loads, lines))
        if line["type"] in ("event", "link") or (line["type"] == "use" and line["path"] != "/api/v1/nothing")
    ]

    @given(data=st.data())
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def check_random_change(data):
        changed = _tampered(lines, covered, data, forged)
        if changed == lines:
            return
        with pytest.raises(Tampered):
            check(with_valid_seal(changed) if forged else changed)

    check_random_change()


def _tampered(lines, covered, data, forged):
    index = data.draw(st.sampled_from(covered))
    line = json.loads(lines[index])
    operation = data.draw(st.sampled_from(["change", "remove", "swap", "repeat"]))
    changed = list(lines)
    if operation == "change":
        derived = (
            {"type", "title", "by", "key_name", "program"} if line["type"] == "use" else {"type", "title"}
        )
        name = data.draw(st.sampled_from(sorted(line.keys() - derived)))
        value = line[name]
        line[name] = value + 1 if isinstance(value, int) else f"{value}x"
        changed[index] = json.dumps(line).encode() + b"\n"
    elif operation == "remove":
        del changed[index]
    elif operation == "repeat":
        changed.insert(index, changed[index])
    else:
        # The order of entries is that of their numbers; that of links is checked in a forged file, too.
        indexes = [other for other in covered if not forged or json.loads(lines[other])["type"] == "link"]
        one, other = data.draw(st.sampled_from(indexes)), data.draw(st.sampled_from(indexes))
        one_line, other_line = json.loads(lines[one]), json.loads(lines[other])
        if not forged or one_line["chain"] == other_line["chain"]:
            changed[one], changed[other] = changed[other], changed[one]
    return changed


def test_concurrent_chaining_includes_each_event_and_use_once(app, cast, exported, monkeypatch):
    monkeypatch.setattr(chain, "EVENTS_AT_ONCE", 2)
    monkeypatch.setattr(chain, "USES_AT_ONCE", 2)
    key = cast.ada.key("busy")
    use_log.append_many(app, use_log.key_number(app, key.id), 9)
    at_once([lambda: extend_chains(app)] * 3)
    assert check(exported())["unlinked_uses"] == 0
    with app.app_context():
        assert db.session.scalar(select(func.sum(ChainLink.count)).where(ChainLink.kind == "uses")) == 7 + 9
