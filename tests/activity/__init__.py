"""The Activity tab and `/activity`."""
