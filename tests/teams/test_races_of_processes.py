"""The same races between two servers on one database: locks are not local to a process."""

from functools import partial

import pytest

from reflow_accounts.teams.models import Rights
from tests import factories
from tests.crash.load import ask
from tests.helpers.at_once import at_once
from tests.helpers.live_server import LiveServer
from tests.teams.team_actions import admins_of

pytestmark = [pytest.mark.slow, pytest.mark.alone]

ROUNDS = 12


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def servers(request, tmp_path_factory):
    """Two servers, each with processes of its own, on one database of each kind."""
    folder = tmp_path_factory.mktemp("servers")
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres").make_database("two-admins")
    servers_ = [LiveServer(folder, url) for _ in range(2)]
    try:
        for server in servers_:
            server.start()
        yield servers_
    finally:
        for server in servers_:
            server.kill()


@pytest.mark.parametrize("action", ["lower", "remove", "leave", "leave-and-lower"])
def test_two_admins_leave_one_admin(servers, action):
    app = servers[0].app
    for number in range(ROUNDS):
        ada, ben = factories.person(app), factories.person(app)
        team = factories.team(app, f"Raced {action} {number}", ada)
        team.add(ben, Rights.ADMIN)
        path = f"/teams/{team.id}/members"
        patch, body = "PATCH", {"rights": "view"}
        pairs = {
            "lower": ((patch, ben, body), (patch, ada, body)),
            "remove": (("DELETE", ben, None), ("DELETE", ada, None)),
            "leave": (("DELETE", ada, None), ("DELETE", ben, None)),
            "leave-and-lower": (("DELETE", ada, None), (patch, ben, body)),
        }[action]
        actions = [
            partial(ask, server, method, f"{path}/{target.id}", by.session(), json_body)
            for server, by, (method, target, json_body) in zip(servers, (ada, ben), pairs, strict=True)
        ]
        statuses = sorted(status for status, _ in at_once(actions))
        assert len(admins_of(team)) == 1, statuses
        assert len([status for status in statuses if status < 300]) == 1, statuses
        assert statuses[-1] in (403, 404, 409), statuses
