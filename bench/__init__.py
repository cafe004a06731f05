"""Benchmarks: ratios within one run to a bare Flask view on the same server."""
