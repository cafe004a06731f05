"""Ada's browser, and programs of the cast."""

import pytest


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


@pytest.fixture
def program(api):
    """`program(person)`: a program that speaks for a person, with an API key."""
    return lambda person: api(person.key().secret)
