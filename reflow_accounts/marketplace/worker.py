"""Worker that ingests AWS Marketplace events from the queue and deletes each message after the commit."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import select
from sqlalchemy.exc import DataError, DBAPIError

from reflow_accounts.aws_settings import AwsSettings
from reflow_accounts.database import db
from reflow_accounts.database_errors import database_problem
from reflow_accounts.marketplace.aws_client import AwsAway, Message, Queue
from reflow_accounts.marketplace.events import ingest
from reflow_accounts.marketplace.parsing import Malformed
from reflow_accounts.web import request_logging

# Exponential back-off after failures, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0

_logger = logging.getLogger(__name__)


class Worker:
    """Ingests events. Must run in the main thread, which receives signals."""

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._is_stopping = False
        self._is_waiting = False
        self._failures = 0

    def run(self, ready: Callable[[], None]) -> None:
        """Ingest events until `stop` is called; the current message is finished first.

        `ready` is called once, when the client of the queue was created.
        """
        queue: Queue | None = None
        with suppress(_Stopped):
            while not self._is_stopping:
                try:
                    if queue is None:
                        queue = Queue(self._settings)
                        ready()
                    self._ingest_batch(queue)
                    self._failures = 0
                except (AwsAway, DBAPIError) as error:
                    db.session.rollback()
                    self._back_off(str(error) if isinstance(error, AwsAway) else database_problem(error))
                finally:
                    db.session.remove()

    def stop(self, *_: object) -> None:
        """Stop after the current message; a pending wait is aborted at once."""
        self._is_stopping = True
        if self._is_waiting:
            self._is_waiting = False
            raise _Stopped

    @contextmanager
    def _abort_on_signal(self) -> Iterator[None]:
        """Let a signal abort the block."""
        self._is_waiting = True
        try:
            # A signal that arrived just before has only set the flag.
            if self._is_stopping:
                raise _Stopped
            yield
        finally:
            self._is_waiting = False

    def _ingest_batch(self, queue: Queue) -> None:
        with self._abort_on_signal():
            # Receiving counts towards the dead-letter queue, so it must not happen while the database is unavailable.
            db.session.execute(select(1))
            db.session.rollback()
            messages = queue.receive()
        for message in messages:
            if self._is_stopping:
                return
            self._ingest(queue, message)

    def _ingest(self, queue: Queue, message: Message) -> None:
        """Ingest a message. An invalid or unstorable one stays for the dead-letter queue."""
        try:
            event = ingest(message.body, self._settings.product_code)
        except (Malformed, DataError, UnicodeError) as error:
            db.session.rollback()
            # Texts of other exceptions may contain parts of the message.
            reason = error if isinstance(error, Malformed) else "it cannot be stored"
            facts = request_logging.facts(queue_message=message.id)
            _logger.warning("a message is not an event and stays in the queue: %s", reason, extra=facts)
            return
        # `run` handles database errors; the queue delivers the message again.
        db.session.commit()
        queue.delete(message)
        if event:
            facts = {"event": event.event_id, "licence": event.licence_key, "agreement": event.agreement_id}
            _logger.info("ingested %s", event.kind, extra=request_logging.facts(**facts))

    def _back_off(self, reason: str) -> None:
        seconds = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 10)
        _logger.warning("%s The worker retries in %.0f s.", reason, seconds)
        with self._abort_on_signal():
            time.sleep(seconds)


class _Stopped(BaseException):
    """A signal during a wait. Not an Exception, because botocore treats those as failures."""
