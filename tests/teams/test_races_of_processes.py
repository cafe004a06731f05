"""The same races between two servers on one database: nothing is decided in the memory of a process."""

from functools import partial

import pytest

from reflow_accounts.teams.models import Rights
from tests import factories
from tests.crash.load import ask
from tests.helpers.at_once import at_once
from tests.helpers.live_server import LiveServer
from tests.teams.acts import admins_of

pytestmark = [pytest.mark.slow, pytest.mark.alone]

ROUNDS = 12


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def servers(request, tmp_path_factory):
    """Two servers, each with processes of its own, on one database of each kind."""
    folder = tmp_path_factory.mktemp("servers")
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres").make_database("two-admins")
    made = [LiveServer(folder, url) for _ in range(2)]
    try:
        for server in made:
            server.start()
        yield made
    finally:
        for server in made:
            server.kill()


@pytest.mark.parametrize("act", ["lower", "remove", "leave", "leave-and-lower"])
def test_of_two_admins_one_remains(servers, act):
    app = servers[0].app
    for number in range(ROUNDS):
        ada, ben = factories.person(app), factories.person(app)
        team = factories.team(app, f"Raced {act} {number}", ada)
        team.add(ben, Rights.ADMIN)
        path = f"/teams/{team.id}/members"
        lower, body = "PATCH", {"rights": "view"}
        pairs = {
            "lower": ((lower, ben, body), (lower, ada, body)),
            "remove": (("DELETE", ben, None), ("DELETE", ada, None)),
            "leave": (("DELETE", ada, None), ("DELETE", ben, None)),
            "leave-and-lower": (("DELETE", ada, None), (lower, ben, body)),
        }[act]
        acts = [
            partial(ask, server, method, f"{path}/{whom.id}", by.session(), sent)
            for server, by, (method, whom, sent) in zip(servers, (ada, ben), pairs, strict=True)
        ]
        answers = sorted(status for status, _ in at_once(acts))
        assert len(admins_of(team)) == 1, answers
        assert len([status for status in answers if status < 300]) == 1, answers
        assert answers[-1] in (403, 404, 409), answers
