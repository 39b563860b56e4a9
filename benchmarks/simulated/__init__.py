"""Simulated machines, a simulated store and a simulated clock, for `benchmarks/billions.py`."""
