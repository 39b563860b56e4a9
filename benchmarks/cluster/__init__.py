"""Topics of `benchmarks/cluster.py`: a module each, with `add(parser)` (its options) and `run(args)`: exit code."""
