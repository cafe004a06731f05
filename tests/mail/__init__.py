"""Mail: the outbox, its sender, the servers it talks to."""
