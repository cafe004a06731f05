"""A PostgreSQL primary with a synchronous standby, on ports of this machine."""

import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from tests.helpers import postgres
from tests.helpers.live_server import free_port

NAME = "reflow"
_OPTIONS = "-c max_connections=200 -c shared_buffers=64MB -c wal_level=replica -c hot_standby=on"


class Pair:
    """Two servers; a commit is answered when both have it on disk."""

    def __init__(self) -> None:
        base = postgres.Postgres.in_new_folder()
        self.folder = base.folder
        self.ports = [free_port(), free_port()]
        # The folder belongs to the user that the servers run as.
        self._user = self.folder.owner()

    @property
    def url(self) -> str:
        """The address for clients, which find the primary themselves."""
        return self.url_at(self.ports)

    def url_at(self, ports: list[int]) -> str:
        """Return the address for clients that reach the two servers at other ports."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://postgres@{hosts}/{NAME}?target_session_attrs=read-write"

    def start(self) -> None:
        self._run(
            "initdb", "-D", self._data(0), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"
        )
        self._start(0)
        with psycopg.connect(self._address(0), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {NAME}")
        primary = f"host=127.0.0.1 port={self.ports[0]} user=postgres application_name=standby"
        how = ("-R", "-X", "stream", "-c", "fast", "--no-sync")
        self._run("pg_basebackup", "-D", self._data(1), *how, "-d", primary)
        self._start(1)
        with psycopg.connect(self._address(0), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            deadline = time.monotonic() + 30
            query = "SELECT sync_state FROM pg_stat_replication"
            while connection.execute(query).fetchone() != ("sync",):
                assert time.monotonic() < deadline, "the standby is not synchronous"
                time.sleep(0.1)

    def kill_primary(self) -> None:
        """End the primary as a power cut would."""
        process = int((Path(self._data(0)) / "postmaster.pid").read_text().splitlines()[0])
        # Its children notice and end.
        subprocess.run(["kill", f"-{signal.SIGKILL}", str(process)], check=True)

    def promote(self) -> None:
        """Make the standby the primary; it waits for no standby of its own."""
        self._run("pg_ctl", "-D", self._data(1), "-w", "promote")
        with psycopg.connect(self._address(1), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            connection.execute("SELECT pg_reload_conf()")

    def stop(self) -> None:
        for number in (0, 1):
            if (Path(self._data(number)) / "postmaster.pid").exists():
                with suppress(RuntimeError):  # it was killed
                    self._run("pg_ctl", "-D", self._data(number), "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, number: int) -> None:
        options = f"-p {self.ports[number]} -h 127.0.0.1 -k {self.folder} {_OPTIONS}"
        log = str(self.folder / f"log{number}")
        self._run("pg_ctl", "-D", self._data(number), "-l", log, "-o", options, "-w", "start")

    def _address(self, number: int) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.ports[number]}/postgres"

    def _data(self, number: int) -> str:
        return str(self.folder / f"data{number}")

    def _run(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder, "there is no pg_basebackup"
        with tempfile.TemporaryFile() as log:
            done = subprocess.run(
                [str(folder / program), *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                group=self.folder.group(),
                extra_groups=[],
                check=False,
            )
            log.seek(0)
            if done.returncode:
                raise RuntimeError(f"{program}: {log.read().decode(errors='replace')}")


def programs() -> Path | None:
    """Return the folder with PostgreSQL's programs that also has pg_basebackup (the wheel has none), or None."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_basebackup").exists()), None)
