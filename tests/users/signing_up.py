"""What Eve types and presses to get an account."""

PASSWORD = "a kettle on the moon"  # pragma: allowlist secret
WORDS = {
    "full_name": "Eve Lund",
    "email": "eve@initech.example",
    "team_name": "Initech",
    "password": PASSWORD,
}


def sign_up(client, **changes):
    return client.submit(client.page("/signup"), "/signup", **WORDS | changes)


def press(client, link, **fields):
    """Press the button of the page behind a link."""
    return client.submit(client.page(link), link, **fields)
