"""The topics of `benchmarks/studio.py`: each module has `add(topic)`, its options, and `run(args)`."""
