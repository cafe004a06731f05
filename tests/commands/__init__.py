"""Tests of operator commands."""
