"""The `reflow` command: a client of the API that imports nothing of the server but the contract."""
