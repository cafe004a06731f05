"""Help in the app: how keys and the command work, the API, privacy."""
