"""Tests of the `reflow` command, from outside."""
