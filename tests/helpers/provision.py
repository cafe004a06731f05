"""Installs the programs that the tests need (browser, PostgreSQL, …), or reports those that are missing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from tests.helpers import chromium, postgres
from tests.reliability import postgres_pair

MINUTES_TO_INSTALL = 15
# Optional: without these programs, the tests that use them are skipped.
NOT_NEEDED = ("nginx", "zsh", "fish", "redis-server", "prometheus", "jq")
# PostgreSQL with pg_basebackup, for tests with a standby; other tests use `postgres.programs`.
PAIR_PACKAGE = "postgresql"


def main() -> int:
    """Return 0 if all required programs are there, else print one line for each missing one and return 1."""
    lacks = []
    if chromium.find() is None and not (
        _install_debians("chromium-headless-shell", chromium.find)
        or _install_debians("chromium", chromium.find)
        or _install_playwrights()
    ):
        lacks.append("Chromium could not be installed: install it and set REFLOW_TEST_CHROMIUM to its path.")
    if postgres.programs() is None and not _install_debians("postgresql", postgres.programs):
        lacks.append("PostgreSQL could not be installed: install its server, so that initdb is on the PATH.")
    for program in NOT_NEEDED:
        if _found(program)() is None and not _install_debians(program, _found(program)):
            print(f"There is no {program}: the tests with it are left out.", file=sys.stderr)
    if postgres_pair.programs() is None and not _install_debians(PAIR_PACKAGE, postgres_pair.programs):
        print("There is no pg_basebackup: the test of a cluster is left out.", file=sys.stderr)
    for lack in lacks:
        print(lack, file=sys.stderr)
    return 1 if lacks else 0


def _found(program: str) -> Callable[[], str | None]:
    return lambda: shutil.which(program)


def _install_debians(package: str, find: Callable[[], object]) -> bool:
    """Install a Debian package if possible; return whether `find` finds it."""
    as_root = _as_root()
    if shutil.which("apt-get") is None or as_root is None:
        return False
    print(f"Installing {package} (once) …", flush=True)
    install = [*as_root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    if not _runs(install):
        # A fresh machine has no package lists yet.
        _runs([*as_root, "apt-get", "update", "-qq"])
        _runs(install)
    return find() is not None


def _install_playwrights() -> bool:
    print("Installing Playwright's Chromium (once) …", flush=True)
    _runs([sys.executable, "-m", "playwright", "install", "chromium"])
    return chromium.find() is not None


def _as_root() -> list[str] | None:
    """Return the prefix for commands that need root, or None without a way to become root."""
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    if os.geteuid() == 0:
        return environment
    if shutil.which("sudo") and _runs(["sudo", "-n", "true"]):
        return ["sudo", "-n", *environment]
    return None


def _runs(command: list[str]) -> bool:
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=60 * MINUTES_TO_INSTALL, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
