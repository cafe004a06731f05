"""Runs the command with another clock, so that no test waits."""

import sys

_START = "import sys; from reflow_accounts.cli.main import main; {}; sys.exit(main())"


def without_naps(terminal) -> None:
    """What the command waits for before it asks again is over at once."""
    terminal.command = _command("import time; time.sleep = lambda seconds: None")


def impatient(terminal, timeout: float = 0.5, longest: float = 120) -> None:
    """The command waits so many seconds for a piece of an answer, and for all of it."""
    setting = f"timeouts.TIMEOUT, timeouts.LONGEST = {timeout}, {longest}"
    terminal.command = _command(f"from reflow_accounts.cli.http import timeouts; {setting}")


def in_a_hurry_to_lock(terminal) -> None:
    """The command waits a moment for another one that changes the file of logins."""
    terminal.command = _command(
        "from reflow_accounts.cli.login import session_store as s; s.LONGEST_WAIT = 0.2"
    )


def asking_often(terminal) -> None:
    """A login through the browser asks three times a second, more often than the server wants."""
    terminal.command = _command(
        "from reflow_accounts.cli.login import device_flow as b; b.LONGEST_INTERVAL = 0.3"
    )


def talkative(terminal) -> None:
    """The command shows at once that it waits, not after a second."""
    terminal.command = _command("from reflow_accounts.cli.http import spinner; spinner.AFTER = 0")


def _command(setting: str) -> tuple[str, ...]:
    return sys.executable, "-c", _START.format(setting)
