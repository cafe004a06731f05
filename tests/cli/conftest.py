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
def listener_terminal(terminal, listener):
    """The terminal, configured for the loopback server."""
    terminal.environ["REFLOW_SERVER"] = listener.url
    return terminal


@pytest.fixture
def listener_proxy(listener):
    """A faulty proxy in front of the loopback server."""
    proxy = FaultyProxy(listener.url)
    yield proxy
    proxy.close()


@pytest.fixture
def proxied_terminal(live_terminal, live):
    """The terminal, connected to the real server through the faulty proxy `disturbed.proxy`."""
    live_terminal.proxy = FaultyProxy(live.url)
    live_terminal.environ["REFLOW_SERVER"] = live_terminal.proxy.url
    yield live_terminal
    live_terminal.proxy.close()


@pytest.fixture
def live_terminal(terminal, live):
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
def keyed_terminal(live_terminal, ada):
    """The terminal with a fresh key of Ada in the environment."""
    live_terminal.key = ada.new_key()
    live_terminal.environ["REFLOW_API_KEY"] = live_terminal.key["secret"]
    return live_terminal


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def team_server(request, tmp_path_factory):
    """A live server without demo data, on each kind of database."""
    folder = tmp_path_factory.mktemp("team-server")
    address = request.getfixturevalue("postgres").make_database("cli") if request.param != "sqlite" else ""
    server = LiveServer(folder, address)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def members(team_server):
    """A new team on `team_server`: three people and a service account."""
    return TeamMembers(team_server)


@pytest.fixture
def admin(terminal, team_server, members):
    """The terminal with an API key of the team's Admin."""
    terminal.environ |= {"REFLOW_SERVER": team_server.url, "REFLOW_API_KEY": members.admin.key().secret}
    return terminal


@pytest.fixture
def terminal_for(terminal, team_server):
    """`terminal_for(person)`: the terminal with an API key of that person."""

    def terminal_for(person):
        terminal.environ |= {"REFLOW_SERVER": team_server.url, "REFLOW_API_KEY": person.key().secret}
        return terminal

    return terminal_for


@pytest.fixture
def configured_terminal(live_terminal, ada):
    """A correct setup: a private key file in the home folder."""
    (live_terminal.home / ".reflow").mkdir(mode=0o700)
    live_terminal.key = ada.new_key()
    live_terminal.file = key_file(live_terminal.home / ".reflow" / "api.key", live_terminal.key["secret"])
    live_terminal.folder = repository(live_terminal.folder)
    return live_terminal
