"""Tests of request and response handling."""
