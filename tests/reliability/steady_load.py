"""Clients that go on using a key through nginx while nodes come and go."""

import threading
import time
from http.client import HTTPConnection, HTTPException
from types import TracebackType

SECONDS_TO_ANSWER = 30


class SteadyLoad:
    """Clients with keep-alive connections; one that loses its connection opens another."""

    def __init__(self, port: int, secret: str, clients: int) -> None:
        self.failures: list[int] = []
        self._port, self._headers = port, {"Authorization": f"Bearer {secret}"}
        self._answers = [0] * clients
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._use, args=(number,)) for number in range(clients)]

    @property
    def answers(self) -> int:
        """The number of requests that were answered with 200."""
        return sum(self._answers)

    def __enter__(self) -> "SteadyLoad":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def wait_for_answers(self, number: int, seconds: float) -> float:
        """Wait for `number` more answers; return the moment when they were there."""
        wanted, deadline = self.answers + number, time.monotonic() + seconds
        while self.answers < wanted:
            assert time.monotonic() < deadline, f"no answers within {seconds:.0f} s"
            time.sleep(0.02)
        return time.monotonic()

    def _use(self, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=SECONDS_TO_ANSWER)
        while not self._is_over.is_set():
            try:
                connection.request("GET", "/api/v1/me", headers=self._headers)
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, HTTPException):
                connection.close()
                status = 0
            if status == 200:
                self._answers[number] += 1
            else:
                self.failures.append(status)
                time.sleep(0.05)
        connection.close()
