"""Tests of the Activity tab and `/activity`."""
