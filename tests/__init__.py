"""Tests of each package, of the CLI, of the repository, and in a browser."""
