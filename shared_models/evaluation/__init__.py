"""Metrics, the benchmark protocol and its tables."""
