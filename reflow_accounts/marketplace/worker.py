"""Read the queue of AWS Marketplace's events until told to stop: commit, then delete."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import select
from sqlalchemy.exc import DataError, DBAPIError

from reflow_accounts.aws_settings import AwsSettings
from reflow_accounts.database import db
from reflow_accounts.marketplace.aws_client import AwsAway, Message, Queue
from reflow_accounts.marketplace.events import ingest
from reflow_accounts.marketplace.parsing import Malformed
from reflow_accounts.web import request_logging

# After failures the worker rests twice as long each time, up to this.
FIRST_REST, LONGEST_REST = 1.0, 60.0

_logger = logging.getLogger(__name__)


class Worker:
    """Takes in what comes by the queue. It must run where signals arrive: in the main thread of its process."""

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._is_stopping = False
        self._is_waiting = False
        self._failures = 0

    def run(self, ready: Callable[[], None]) -> None:
        """Work until `stop` is called; the message in hand is finished first.

        `ready` is called once, when all is there to wait for events.
        """
        queue: Queue | None = None
        with suppress(_Stopped):
            while not self._is_stopping:
                try:
                    if queue is None:
                        queue = Queue(self._settings)
                        ready()
                    self._take_some(queue)
                    self._failures = 0
                except (AwsAway, DBAPIError) as error:
                    db.session.rollback()
                    self._rest(
                        str(error) if isinstance(error, AwsAway) else "The database cannot be reached."
                    )
                finally:
                    db.session.remove()

    def stop(self, *_: object) -> None:
        """Begin nothing more. What is only waited for is given up: the queue delivers it again."""
        self._is_stopping = True
        if self._is_waiting:
            self._is_waiting = False
            raise _Stopped

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Let a signal end what is done here at once."""
        self._is_waiting = True
        try:
            # One that came just before that only left its mark.
            if self._is_stopping:
                raise _Stopped
            yield
        finally:
            self._is_waiting = False

    def _take_some(self, queue: Queue) -> None:
        with self._waiting():
            # Each time a message is received counts towards the dead-letter queue: none is, while none can be kept.
            db.session.execute(select(1))
            db.session.rollback()
            messages = queue.receive()
        for message in messages:
            if self._is_stopping:
                return
            self._take(queue, message)

    def _take(self, queue: Queue, message: Message) -> None:
        """Take a message in. One that is no event, or cannot be kept, stays for the dead-letter queue."""
        try:
            event = ingest(message.body, self._settings.product_code)
        except (Malformed, DataError, UnicodeError) as fault:
            db.session.rollback()
            # What others than we raise may repeat what is in the message.
            why = fault if isinstance(fault, Malformed) else "it cannot be stored"
            told = request_logging.facts(message=message.id)
            _logger.warning("a message is no event and stays in the queue: %s", why, extra=told)
            return
        # What SQLAlchemy raises when the database goes away goes to `run`; the message comes again.
        db.session.commit()
        queue.delete(message)
        if event:
            told = {"event": event.event_id, "licence": event.licence_key, "agreement": event.agreement_id}
            _logger.info("took in %s", event.kind, extra=request_logging.facts(**told))

    def _rest(self, why: str) -> None:
        seconds = min(FIRST_REST * 2**self._failures, LONGEST_REST)
        self._failures = min(self._failures + 1, 10)
        _logger.warning("%s The worker rests %.0f s.", why, seconds)
        with self._waiting():
            time.sleep(seconds)


class _Stopped(BaseException):
    """A signal came while nothing was in hand. No Exception: the library of AWS would take it for a failure."""
