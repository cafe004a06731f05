"""Fixtures for the command: a terminal to run it in, a loopback server or the real one to run it against."""

import pytest

from tests.cli.account import Account
from tests.cli.listener import Listener
from tests.cli.terminal import Terminal


@pytest.fixture
def terminal(tmp_path):
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    return Terminal(home, folder)


@pytest.fixture
def listener():
    server = Listener()
    yield server
    server.close()


@pytest.fixture
def here(terminal, listener):
    """The terminal, pointed at the loopback server."""
    terminal.environ["REFLOW_SERVER"] = listener.url
    return terminal


@pytest.fixture
def there(terminal, live):
    """The terminal, pointed at the real server."""
    terminal.environ["REFLOW_SERVER"] = live.url
    return terminal


@pytest.fixture(scope="session")
def ada(live):
    return Account(live.url, "ada@acme.example")


@pytest.fixture(scope="session")
def nina(live):
    """Nobody paid for Nina's team."""
    return Account(live.url, "nina@solo.example")


@pytest.fixture
def keyed(there, ada):
    """The terminal with a fresh key of Ada in the environment."""
    there.key = ada.new_key()
    there.environ["REFLOW_API_KEY"] = there.key["secret"]
    return there
