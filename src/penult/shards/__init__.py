"""Features of any number of images as Parquet files: a plan, shards that are extracted one by one, a manifest.

In: a source, networks. Out: a folder or an address in an object store. It must not know Ray.
"""
