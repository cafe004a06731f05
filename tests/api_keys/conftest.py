"""Fixtures of tests of keys."""

import pytest


@pytest.fixture(params=["own", "account"])
def keys(request, cast, api):
    """Ada's session; the path of a key of hers or of the team's service account; the key."""
    ada = api(cast.ada.session())
    if request.param == "own":
        key = cast.ada.key("CI")
        return ada, f"/keys/{key.id}", key
    key = cast.ci.key("CI")
    return ada, f"/teams/{cast.acme.id}/service-accounts/{cast.ci.id}/keys/{key.id}", key
