"""The one entry point to Ray: shards, predictions and heads on many processes or machines.

In: descriptors of shards, never images. It must not know pixels.
"""
