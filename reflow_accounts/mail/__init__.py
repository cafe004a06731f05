"""Mail: an outbox in the database, and the sender of its messages."""
