"""Service accounts with their keys, and the page that makes a key for CI."""
