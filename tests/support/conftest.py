"""Fixtures of the tests of the support console."""

import pytest


@pytest.fixture
def sam(cast, client):
    """A client in which Sam, of the support staff, is signed in."""
    return cast.sam.sign_in(client)
