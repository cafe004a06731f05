"""The outbox: sending after commit, resolvers, retries, pruning."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest

from reflow_accounts.database import db, now
from reflow_accounts.mail import sender, service
from reflow_accounts.mail.models import OutboxMessage
from tests.helpers import rows

SENDERS, MESSAGES = 4, 20


@pytest.fixture
def resolver(monkeypatch):
    """Register a resolver for one test."""
    monkeypatch.setattr(service, "_resolvers", {})
    return service.resolver


def test_message_is_sent_after_the_commit_and_its_data_are_deleted(app, outbox, mailbox):
    with app.app_context():
        service.post("trial", "ada@acme.example", note="x")
        db.session.rollback()
    assert mailbox.deliver() == []
    outbox.post(note="x")
    assert [message["To"] for message in mailbox.deliver()] == ["ada@acme.example"]
    row = outbox.row()
    assert row.done_at
    assert (row.data, row.failure, row.tries) == ({}, "", 1)
    assert mailbox.deliver() == []


def test_listeners_are_called_after_commits_with_mail(app, outbox, monkeypatch):
    row_counts = []
    monkeypatch.setattr(service, "_listeners", [lambda: row_counts.append(rows.count(app, OutboxMessage))])
    with app.app_context():
        db.session.commit()
        service.post("trial", "ada@acme.example")
        db.session.rollback()
        assert row_counts == []
        with db.session.begin_nested():
            service.post("trial", "ada@acme.example")
        assert row_counts == []
        db.session.commit()
        db.session.commit()
    assert row_counts == [1]


def test_resolver_posts_all_of_its_messages_or_none(resolver, outbox, mailbox):
    @resolver("asked")
    def resolve(to, data):
        return [("trial", to, {}), ("trial", data["other"], {})] if "acme" in to else []

    outbox.post("asked", "ada@acme.example", other="ben@acme.example")
    outbox.post("asked", "nobody@example.com", other="ben@acme.example")
    assert [message["To"] for message in mailbox.deliver()] == ["ada@acme.example", "ben@acme.example"]
    assert [(row.kind, bool(row.done_at), row.data) for row in outbox.rows()] == [
        ("asked", True, {}),
        ("asked", True, {}),
        ("trial", True, {}),
        ("trial", True, {}),
    ]


def test_resolver_writes_in_the_transaction_of_its_messages(app, resolver, outbox, mailbox):
    from reflow_accounts.rate_limits.models import LimitCount

    @resolver("half done")
    def resolve(to, data):
        db.session.add(LimitCount(key="written", count=1, ends_at=now()))
        db.session.flush()
        raise RuntimeError(f"what {to} typed")

    outbox.post("half done")
    assert mailbox.deliver() == []
    assert rows.count(app, LimitCount) == 0
    assert not outbox.row().done_at


def test_unrenderable_message_is_delayed_and_stops_no_other(resolver, outbox, mailbox, caplog):
    @resolver("broken")
    def resolve(to, data):
        raise RuntimeError(f"what {to} typed")

    outbox.post("broken")
    outbox.post("no such template")
    outbox.post("trial")
    assert len(mailbox.deliver()) == 1
    broken, missing, sent = outbox.rows()
    assert broken.failure == "the message could not be made (RuntimeError)"
    assert missing.failure == "the message could not be made (TemplateNotFound)"
    assert sent.done_at
    assert not broken.done_at
    assert broken.due_at > now() + timedelta(seconds=10)
    assert "what ada@acme.example typed" not in caplog.text


def test_message_backs_off_and_is_given_up_after_a_day(outbox, caplog):
    outbox.post("no such template", note="kept until it is done")
    pauses = []
    for _ in range(12):
        outbox.let_time_pass()
        outbox.send()
        pauses.append((outbox.row().due_at - now()).total_seconds())
    assert [round(pause / 15) for pause in pauses[:4]] == [1, 2, 4, 8]
    assert 3500 < pauses[-1] <= 3600
    assert outbox.row().data
    outbox.let_time_pass(timedelta(days=1))
    outbox.send()
    row = outbox.row()
    assert (row.data, row.failure) == ({}, "the message could not be made (TemplateNotFound)")
    assert row.done_at
    assert "is given up: the message could not be made" in caplog.text


def test_old_message_is_tried_at_least_twice(outbox):
    outbox.post("no such template")
    outbox.let_time_pass(timedelta(days=3))
    outbox.send()
    assert not outbox.row().done_at


@pytest.mark.parametrize(
    "to",
    [
        "nobody",
        "a@b@c",
        "a,b@example.com",
        "<a@example.com>",
        "a b@example.com",
        "a@example.com\r\nBcc: all@example.com",
        "a@example.com\nBcc:x@example.com",
        "a\u202eb@example.com",
        f"a@{'x' * 70}.example",
    ],
)
def test_invalid_address_is_given_up_at_once(outbox, mailbox, to):
    outbox.post("trial", to)
    assert mailbox.deliver() == []
    row = outbox.row()
    assert row.done_at
    assert row.failure == "the address is not one that mail can be sent to"


def test_concurrent_senders_send_each_message_once(outbox, mail_server):
    server, start, counts = mail_server(), Barrier(SENDERS), []
    recipients = [f"person{number}@example.com" for number in range(MESSAGES)]
    for recipient in recipients:
        outbox.post("trial", recipient)

    def send():
        start.wait()
        counts.append(outbox.send())

    threads = [Thread(target=send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == MESSAGES
    assert {row.tries for row in outbox.rows()} == {1}
    assert sorted(received.to for received in server.received) == sorted(recipients)
    assert all(row.done_at for row in outbox.rows())


def test_claimed_message_is_skipped_until_its_claim_ends(app, outbox, mailbox):
    outbox.post()
    with app.app_context():
        claimed = sender._claim_next()
        assert claimed
        assert sender._claim_next() is None
    assert mailbox.deliver() == []
    outbox.let_time_pass()
    assert len(mailbox.deliver()) == 1


def test_resolver_with_an_expired_claim_changes_nothing(app, resolver, outbox, mailbox):
    resolver("asked")(lambda to, data: [("trial", to, {})])
    outbox.post("asked")
    with app.app_context():
        claimed = sender._claim_next()
        outbox.let_time_pass()
        assert len(mailbox.deliver()) == 1
        sender._replace(claimed, service.find_resolver("asked"))
    assert mailbox.deliver() == []


def test_repeated_message_has_the_same_message_id(outbox, mailbox, tmp_path):
    outbox.post()
    [first] = mailbox.deliver()
    outbox.set(done_at=None)
    outbox.let_time_pass()
    folder = mailbox._folder
    for file in folder.glob("*.eml"):
        file.rename(tmp_path / file.name)
    mailbox._seen.clear()
    [repeated] = mailbox.deliver()
    assert repeated["Message-ID"] == first["Message-ID"]
    outbox.post()
    assert mailbox.deliver()[0]["Message-ID"] != first["Message-ID"]


def test_rows_are_pruned_thirty_days_after_completion(app, outbox):
    for done_at in (None, now() - timedelta(days=29), now() - timedelta(days=31)):
        outbox.post(to="last@example.com")
        with app.app_context():
            row = db.session.query(OutboxMessage).order_by(OutboxMessage.id.desc()).first()
            row.done_at = done_at
            row.created_at = now() - timedelta(days=90)
            db.session.commit()
    with app.app_context():
        assert sender.prune_done() == 1
        assert sender.prune_done() == 0
    assert rows.count(app, OutboxMessage) == 2


def test_sender_stops_after_the_current_message(app, outbox, mailbox):
    for _ in range(3):
        outbox.post()
    with app.app_context():
        assert sender.send_due(lambda: len(list(mailbox._folder.glob("*.eml"))) > len(mailbox._seen)) == 1
    assert len(mailbox.deliver()) == 3


def test_command_reports_where_mail_is_sent(app, mailbox):
    runner = app.test_cli_runner()
    with app.app_context():
        result = runner.invoke(args=["mail-test", "ops@acme.example"])
        refused = runner.invoke(args=["mail-test", "nobody"])
    assert (result.exit_code, result.output) == (
        0,
        "A message to ops@acme.example is in the outbox.\nREFLOW_MAIL_URL is not set: mail is written to .eml files in "
        f"{app.config['SETTINGS'].instance / 'outbox'}, not sent.\n",
    )
    assert refused.exit_code == 1
    assert [message["To"] for message in mailbox.deliver()] == ["ops@acme.example"]
