"""The real server in its own processes, on a free port, with its own database."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from flask import Flask

from reflow_accounts import config
from reflow_accounts.app import create_app
from reflow_accounts.database import db

ROOT = Path(__file__).resolve().parents[2]
SECRET_KEY = "the-secret-key-of-the-tests-0123456789"
SECONDS_TO_START = 60


class LiveServer:
    """`flask --app wsgi serve` with the demo data; it can be killed and restarted on the same database."""

    def __init__(self, folder: Path, database_url: str = "", **settings: str) -> None:
        """Use `folder` for the secret key, the log and, without `database_url`, the SQLite database.

        All tests of a worker share one address, so rate limits are off unless `settings` turn them on.
        """
        self.log = folder / "server.log"
        self.environ = {
            "REFLOW_INSTANCE": str(folder),
            "REFLOW_PASSWORD_ROUNDS": "4",
            "REFLOW_SECRET_KEY": SECRET_KEY,
            "REFLOW_RATE_LIMITS": "off",
        } | settings
        if database_url:
            self.environ["REFLOW_DATABASE_URL"] = database_url
        self.settings = config.load(self.environ)
        self.database_url = self.settings.database_url
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._app: Flask | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def app(self) -> Flask:
        """An application on the same database and secret key, to create and count rows."""
        if self._app is None:
            self._app = create_app(self.settings)
        return self._app

    def start(self) -> None:
        """Start the server and wait until it is ready. Raises RuntimeError with its log."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start the server without waiting."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("REFLOW_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.arguments()],
                cwd=ROOT,
                env=inherited | self.environ | {"HOST": "127.0.0.1", "PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def arguments(self) -> list[str]:
        """Return the arguments of Python."""
        return ["-m", "flask", "--app", "wsgi", "serve"]

    def kill(self) -> None:
        """End every process of the server with SIGKILL."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
        if self._app is not None:
            with self._app.app_context():
                db.engine.dispose()

    def restart(self) -> None:
        """Kill the server and start it again on the same database and port."""
        self.kill()
        self.start()

    def wait(self) -> None:
        """Wait until the server is ready. Raises RuntimeError with its log."""
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            assert self.process
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as response:
                    if response.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        log = self.log.read_text(errors="replace")
        self.kill()
        raise RuntimeError(f"The server did not start. Its log:\n{log}")


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
