"""Fixtures for the command: a terminal to run it in, a loopback server or the real one to run it against."""

import pytest

from tests.cli.account import Account
from tests.cli.folders import key_file, repository
from tests.cli.listener import Listener
from tests.cli.team_members import TeamMembers
from tests.cli.terminal import Terminal
from tests.helpers.faulty_proxy import FaultyProxy
from tests.helpers.live_server import LiveServer


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
    """The terminal, configured for the loopback server."""
    terminal.environ["REFLOW_SERVER"] = listener.url
    return terminal


@pytest.fixture
def between(listener):
    """A faulty proxy in front of the loopback server."""
    proxy = FaultyProxy(listener.url)
    yield proxy
    proxy.close()


@pytest.fixture
def disturbed(there, live):
    """The terminal, connected to the real server through the faulty proxy `disturbed.proxy`."""
    there.proxy = FaultyProxy(live.url)
    there.environ["REFLOW_SERVER"] = there.proxy.url
    yield there
    there.proxy.close()


@pytest.fixture
def there(terminal, live):
    """The terminal, configured for the real server."""
    terminal.environ["REFLOW_SERVER"] = live.url
    return terminal


@pytest.fixture(scope="session")
def ada(live):
    return Account(live.url, "ada@acme.example")


@pytest.fixture(scope="session")
def nina(live):
    """Nina, whose team has no subscription."""
    return Account(live.url, "nina@solo.example")


@pytest.fixture
def keyed(there, ada):
    """The terminal with a fresh key of Ada in the environment."""
    there.key = ada.new_key()
    there.environ["REFLOW_API_KEY"] = there.key["secret"]
    return there


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def house(request, tmp_path_factory):
    """The real server on each kind of database, without demo data."""
    folder = tmp_path_factory.mktemp("house")
    address = request.getfixturevalue("postgres").make_database("cli") if request.param != "sqlite" else ""
    server = LiveServer(folder, address)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def crew(house):
    """A team of three, and two others."""
    return TeamMembers(house)


@pytest.fixture
def admin(terminal, house, crew):
    """The terminal of the team's Admin, who uses an API key."""
    terminal.environ |= {"REFLOW_SERVER": house.url, "REFLOW_API_KEY": crew.admin.key().secret}
    return terminal


@pytest.fixture
def seat(terminal, house):
    """`seat(person)`: the terminal, with a key of that person."""

    def seat(person):
        terminal.environ |= {"REFLOW_SERVER": house.url, "REFLOW_API_KEY": person.key().secret}
        return terminal

    return seat


@pytest.fixture
def well(there, ada):
    """A correct setup: a private key file in the home folder."""
    (there.home / ".reflow").mkdir(mode=0o700)
    there.key = ada.new_key()
    there.file = key_file(there.home / ".reflow" / "api.key", there.key["secret"])
    there.folder = repository(there.folder)
    return there
