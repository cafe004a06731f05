"""The API Keys tab, the keys of a service account, and the page that creates a key for CI."""
