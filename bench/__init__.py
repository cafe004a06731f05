"""Benchmarks: every figure is a ratio within one run, against a bare Flask view on the same server."""
