"""Topics of `benchmarks/jobs.py`: a module each, with `add(parser)` (its options) and `run(args)` (measure, then print)."""
