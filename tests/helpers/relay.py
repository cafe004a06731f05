"""A TCP relay to the Unix socket of PostgreSQL, in a separate process that can be frozen and stopped."""

import signal
import socket
import socketserver
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path


class Relay:
    """Forwards connections to `port` of 127.0.0.1 to the server in `folder`.

    `server_port` is the port in the name of the server's socket.
    """

    def __init__(self, folder: Path, server_port: int = 5432) -> None:
        self.port = 0
        self._target = folder / f".s.PGSQL.{server_port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it listens, after `stop` on the same port."""
        command = [sys.executable, __file__, str(self.port), str(self._target)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def freeze(self) -> None:
        """Stop forwarding: connections stay open, and new ones are accepted but not answered."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue, and forward the data that was sent in the meantime."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the process and every connection through it."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def url_of(self, database_url: str) -> str:
        """Return the URL through the relay for a URL from `Postgres.make_database`."""
        name = database_url.partition("@/")[2].partition("?")[0]
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512
    target = ""


class _Connection(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as target:
            try:
                target.connect(self.server.target)
            except OSError:
                return  # The server is down: the client's connection is closed.
            back = threading.Thread(target=_pour, args=(target, self.request))
            back.start()
            _pour(self.request, target)
            back.join()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    with _Server(("127.0.0.1", int(sys.argv[1])), _Connection) as listening:
        listening.target = sys.argv[2]
        print(listening.server_address[1], flush=True)
        listening.serve_forever()
