"""Topics of `benchmarks/trust.py`: a module each, with `add(parser)` (its options) and `run(args)` (measure, then print)."""
