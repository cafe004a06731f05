"""Runs the tests of faults, and counts them by kind: `make test-faults`."""

import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What goes wrong, and the tests that make it happen with real processes.
FAULTS = {
    "database stopped, or its connections cut": ["tests/crash/test_dead_connections.py"],
    "database unresponsive, cut in a transaction": ["tests/crash/test_unresponsive_postgres.py"],
    "database busy with a long write": ["tests/crash/test_long_writer.py"],
    "database file removed and replaced": ["tests/api_keys/usage/test_restored_file.py"],
    "disk full": ["tests/crash/test_full_disk.py", "tests/cli/test_full_disks.py"],
    "clock jumps": ["tests/reliability/test_clock.py"],
    "mail server away or hanging": ["tests/mail/test_servers.py", "tests/mail/test_processes.py"],
    "AWS away": ["tests/marketplace/test_worker.py"],
    "counters of limits away": ["tests/rate_limits/test_valkey.py"],
    "200 slow clients in four modes": [
        "tests/crash/test_slow_clients.py",
        "tests/activity/test_slow_readers.py",
    ],
    "a rush of log-ins": ["tests/serving/test_login_load.py"],
    "SIGTERM under load": ["tests/crash/test_sigterm.py", "tests/serving/test_stopping.py"],
    "SIGKILL under load": ["tests/crash/test_kill.py", "tests/crash/test_killed_rotation.py"],
    "revocation under load": ["tests/crash/test_revocation_race.py"],
    "two versions, or two nodes at once": ["tests/house/test_start.py"],
}


class Outcomes:
    """Counts the outcomes of tests by file."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0]
        if report.failed:
            self.failed[file] += 1
        elif report.skipped:
            self.skipped[file] += 1
        elif report.when == "call":
            self.passed[file] += 1


def main() -> int:
    """Run the tests of all faults, or of those with the first argument in their name."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    faults = {fault: files for fault, files in FAULTS.items() if wanted in fault}
    outcomes = Outcomes()
    files = [file for listed in faults.values() for file in listed]
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-m",
        "slow or not slow",
        f"--rootdir={ROOT}",
    ]
    code = pytest.main([*options, *files], plugins=[outcomes])
    print()
    for fault, listed in faults.items():
        passed, failed, skipped = (
            sum(found[file] for file in listed)
            for found in (outcomes.passed, outcomes.failed, outcomes.skipped)
        )
        left_out = f", {skipped} left out" if skipped else ""
        print(
            f"{'FAIL' if failed or not passed else 'ok':5} {fault}: {passed} passed, {failed} failed{left_out}"
        )
    print(f"{sum(outcomes.passed.values())} passed, {sum(outcomes.failed.values())} failed")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
