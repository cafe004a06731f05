"""Exported logs hold hash chains: what was changed, removed, added or moved is found without a server."""

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from reflow_accounts.activity import chain
from reflow_accounts.activity.export_formats import Seal
from reflow_accounts.activity.models import ChainLink
from reflow_accounts.api_keys.models import Use
from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.cli.commands.verify_activity import Tampered, check
from reflow_accounts.database import db, now
from tests.api_keys.usage import log
from tests.helpers.at_once import at_once

PATH = "/activity/export"


@pytest.fixture
def exported(app, cast, api):
    """Return a function that exports Ada's log as lines, after some events and uses of hers and of her team."""
    keys = [cast.ada.key("CI"), cast.ci.key("deploy")]
    for key in keys * 3:
        api(key.secret).get("/me", headers={"User-Agent": "Ünïcode \u2028 1"})
    extend(app)
    api(keys[0].secret).get("/nothing")
    session = cast.ada.session()

    def export(query: str = "") -> list[bytes]:
        answer = api(session).get(PATH + query)
        assert answer.status_code == 200, answer.text
        assert answer.mimetype == "application/jsonl"
        return answer.data.splitlines(keepends=True)

    return export


def extend(app) -> None:
    with app.app_context():
        chain.extend_with_events()
        chain.extend_with_uses()


def sealed(lines: list[bytes]) -> list[bytes]:
    """Return the lines with a last line that agrees with them, as a forger would write it."""
    seal = Seal()
    for line in lines[:-1]:
        seal.add(line)
    return [*lines[:-1], seal.line]


def parsed(lines: list[bytes], kind: str) -> list[dict]:
    return [line for line in map(json.loads, lines) if line["type"] == kind]


def test_export_is_checked(app, cast, exported):
    lines = exported()
    result = check(lines)
    assert (result["uses"], result["unlinked_uses"], result["unlinked_events"]) == (6, 1, 0)
    assert result["events"] == len(parsed(lines, "event"))
    assert {cast.ada.id, cast.acme.id, cast.ci.id} <= result["heads"].keys()
    earlier = result["heads"][cast.ada.id]
    extend(app)
    later = exported()
    assert check(later, earlier)["unlinked_uses"] == 0
    with pytest.raises(Tampered, match="--head"):
        check(later, "0" * 63 + "1")


def test_event_that_a_service_account_caused_is_checked(cast, api, exported):
    key = cast.ci.key("old name")
    api(key.secret).patch(f"/keys/{key.id}", json={"name": "new name"})
    lines = exported()
    [renamed] = [event for event in parsed(lines, "event") if event["action"] == "api_key.renamed"]
    assert (renamed["by"], renamed["address"]) == (cast.ci.full_name, "127.0.0.1")
    assert check(lines)["unlinked_events"] == 0


def test_filtered_export_is_checked_as_far_as_it_goes(exported):
    result = check(exported("?outcome=accepted"))
    assert (result["uses"], result["events"], result["complete"]) == (6, 0, False)


def test_export_of_a_member_holds_the_chain_of_the_member_alone(cast, api, exported):
    exported()
    lines = api(cast.vic.session()).get(PATH).data.splitlines(keepends=True)
    assert {link["chain"] for link in parsed(lines, "link")} == {cast.vic.id}
    assert check(lines)["unlinked_events"]


def test_pruned_uses_leave_their_digests(app, cast, api):
    key = log.number_of(app, cast.ada.key("CI").id)
    for days in (401, 400, 0):
        log.append(app, key, now() - timedelta(days=days))
    answer = app.test_cli_runner().invoke(args=["uses", "prune", "--older-than", "365"])
    assert answer.output.startswith("2 uses"), answer.output
    lines = api(cast.ada.session()).get(PATH).data.splitlines(keepends=True)
    result = check(lines)
    assert (result["pruned_digests"], result["uses"]) == (1, 0)


def test_use_deleted_from_the_database_is_missed(app, cast, exported):
    exported()
    with app.app_context():
        first = db.session.scalars(select(Use.id).order_by(Use.id)).first()
        db.session.execute(delete(Use).where(Use.id == first))
        db.session.commit()
    with pytest.raises(Tampered, match=f"uses from use_{first} "):
        check(exported())


def test_event_changed_in_the_database_is_found(app, cast, exported):
    exported()
    with app.app_context():
        db.session.execute(update(AuditEvent).where(AuditEvent.subject == "CI").values(subject="other"))
        db.session.commit()
    with pytest.raises(Tampered, match=r"evt_\d+ was changed"):
        check(exported())


@pytest.mark.parametrize("forged", [False, True])
def test_every_change_of_a_file_is_found(exported, forged):
    """Also when the last line is written anew, for all that the chains cover."""
    lines = exported()
    covered = [
        number
        for number, line in enumerate(map(json.loads, lines))
        if line["type"] in ("event", "link") or (line["type"] == "use" and line["path"] != "/api/v1/nothing")
    ]

    @given(data=st.data())
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def found(data):
        changed = _tampered(lines, covered, data, forged)
        if changed == lines:
            return
        with pytest.raises(Tampered):
            check(sealed(changed) if forged else changed)

    found()


def _tampered(lines, covered, data, forged):
    place = data.draw(st.sampled_from(covered))
    line = json.loads(lines[place])
    act = data.draw(st.sampled_from(["change", "remove", "swap", "repeat"]))
    changed = list(lines)
    if act == "change":
        derived = (
            {"type", "title", "by", "key_name", "program"} if line["type"] == "use" else {"type", "title"}
        )
        name = data.draw(st.sampled_from(sorted(line.keys() - derived)))
        value = line[name]
        line[name] = value + 1 if isinstance(value, int) else f"{value}x"
        changed[place] = json.dumps(line).encode() + b"\n"
    elif act == "remove":
        del changed[place]
    elif act == "repeat":
        changed.insert(place, changed[place])
    else:
        # The order of entries is that of their numbers; that of links is checked in a forged file, too.
        places = [other for other in covered if not forged or json.loads(lines[other])["type"] == "link"]
        one, other = data.draw(st.sampled_from(places)), data.draw(st.sampled_from(places))
        one_line, other_line = json.loads(lines[one]), json.loads(lines[other])
        if not forged or one_line["chain"] == other_line["chain"]:
            changed[one], changed[other] = changed[other], changed[one]
    return changed


def test_each_event_and_use_is_chained_once_by_several_at_once(app, cast, exported, monkeypatch):
    monkeypatch.setattr(chain, "EVENTS_AT_ONCE", 2)
    monkeypatch.setattr(chain, "USES_AT_ONCE", 2)
    key = cast.ada.key("busy")
    log.append_many(app, log.number_of(app, key.id), 9)
    at_once([lambda: extend(app)] * 3)
    assert check(exported())["unlinked_uses"] == 0
    with app.app_context():
        assert db.session.scalar(select(func.sum(ChainLink.count)).where(ChainLink.kind == "uses")) == 7 + 9
