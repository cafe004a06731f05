"""Tests of mail: outbox, sender, servers."""
