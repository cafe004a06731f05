"""Runs the command with other timeouts, so that tests do not wait."""

import sys

_START = "import sys; from reflow_accounts.cli.main import main; {}; sys.exit(main())"


def without_sleep(terminal) -> None:
    """Retries happen at once."""
    terminal.command = _command("import time; time.sleep = lambda seconds: None")


def with_short_timeouts(
    terminal, timeout: float = 0.5, longest: float = 120, piece: int = 1024 * 1024
) -> None:
    """Set the timeouts for a read of an answer and for each `piece` of it, in bytes."""
    setting = f"timeouts.TIMEOUT, timeouts.LONGEST, timeouts.MEGABYTE = {timeout}, {longest}, {piece}"
    terminal.command = _command(f"from reflow_accounts.cli.http import timeouts; {setting}")


def with_short_lock_timeout(terminal) -> None:
    """Wait only a moment for the lock of the session file."""
    terminal.command = _command(
        "from reflow_accounts.cli.login import session_store as s; s.LONGEST_WAIT = 0.2"
    )


def polling_often(terminal) -> None:
    """Poll three times a second during a browser login, more often than the server allows."""
    terminal.command = _command(
        "from reflow_accounts.cli.login import device_flow as b; b.LONGEST_INTERVAL = 0.3"
    )


def following_closely(terminal) -> None:
    """Poll five times a second for new activity."""
    terminal.command = _command(
        "from reflow_accounts.cli.commands import follow_activity as f; f.SHORTEST = f.LONGEST = 0.2"
    )


def with_spinner_at_once(terminal) -> None:
    """Show the progress line at once, not after a second."""
    terminal.command = _command("from reflow_accounts.cli import output; output.SPINNER_AFTER = 0")


def _command(setting: str) -> tuple[str, ...]:
    return sys.executable, "-c", _START.format(setting)
