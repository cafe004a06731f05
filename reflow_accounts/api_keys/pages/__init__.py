"""The API Keys tab, the keys of a service account, and the page that makes a key for CI."""
