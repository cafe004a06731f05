"""The AWS side of subscriptions: registration, events, worker."""
