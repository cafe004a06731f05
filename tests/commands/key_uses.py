"""Uses of keys, as a service that is being copied or backed up has them."""

from flask import Flask

from tests.factories import Issued


def use(app: Flask, key: Issued, times: int = 1) -> None:
    """Use a key on the application's database."""
    for _ in range(times):
        response = app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {key.secret}"})
        assert response.status_code == 200
