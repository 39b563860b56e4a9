"""What `bench.py` consists of: the photos, the contestants (one child process each), the ceilings, the noise, the table."""
