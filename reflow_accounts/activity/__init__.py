"""Activity: uses of keys and acts of people in one list, newest first."""
