"""Keep-alive connections to the real server, each with the process that answers it."""

import os
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

from tests.helpers.live_server import LiveServer


class WorkerConnection:
    """One client with one key. `worker` is the process that answers it."""

    def __init__(self, server: LiveServer, secret: str) -> None:
        """Connect, and use the key once: the server accepts a connection when it has work for it."""
        assert server.process
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {secret}"}
        self.first = self.ask()
        own_port = self._connection.sock.getsockname()[1]
        self.worker = _owner(process_tree(server.process.pid), _inode(server.port, own_port))

    def ask(self, path: str = "/api/v1/me", **headers: str) -> int:
        """Send one GET with the key and more headers; return the status."""
        self._connection.request("GET", path, headers=self._headers | headers)
        response = self._connection.getresponse()
        response.read()
        return response.status

    def close(self) -> None:
        self._connection.close()


def connect_to_every_worker(
    server: LiveServer, secret: str, workers: int, at_least: int
) -> list[WorkerConnection]:
    """Open at least `at_least` connections, and more until `workers` processes have one."""
    connections: list[WorkerConnection] = []
    while len(connections) < at_least or len({one.worker for one in connections}) < workers:
        assert len(connections) < 500, "one process takes every connection"
        connections.append(WorkerConnection(server, secret))
    return connections


def _inode(local_port: int, remote_port: int) -> str:
    """Return the number of the socket between these ports, as /proc names it (proc_net_tcp.txt of the kernel)."""
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, *more = row.split()
        if (int(local[-4:], 16), int(remote[-4:], 16)) == (local_port, remote_port):
            return more[6]
    raise AssertionError(f"no connection from port {remote_port} to {local_port}")


def process_tree(pid: int) -> list[int]:
    """Return a process, its children and theirs."""
    children = " ".join(task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children")).split()
    return [pid, *(one for child in children for one in process_tree(int(child)))]


def _owner(pids: list[int], inode: str) -> int:
    for pid in pids:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                if os.readlink(file) == f"socket:[{inode}]":
                    return pid
    raise AssertionError("no process of the server has this connection")
