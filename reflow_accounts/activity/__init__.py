"""Activity: uses of keys and events in one list, newest first."""
