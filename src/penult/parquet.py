"""Parquet files by pyarrow, its only user: written with page checksums, read with them verified."""
