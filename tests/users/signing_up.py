"""Sign-up of Eve: the form, and the page of the mailed link."""

PASSWORD = "a kettle on the moon"  # pragma: allowlist secret
FIELDS = {
    "full_name": "Eve Lund",
    "email": "eve@initech.example",
    "team_name": "Initech",
    "password": PASSWORD,
}


def sign_up(client, **changes):
    return client.submit(client.page("/signup"), "/signup", **FIELDS | changes)


def confirm(client, link, **fields):
    """Submit the form on the page of a link."""
    return client.submit(client.page(link), link, **fields)
