"""The Activity tab: uses of keys and acts of people together, newest first."""
