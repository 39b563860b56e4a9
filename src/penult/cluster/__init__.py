"""The one entry point to Ray: shards, predictions and heads on many processes or machines.

In: descriptors of shards, never images. It must not know pixels.
"""

from penult.cluster.heads import heads_on
from penult.cluster.resources import ActorResources
from penult.cluster.runner import ray_runner
from penult.cluster.start import connect_ray

__all__ = ["ActorResources", "connect_ray", "heads_on", "ray_runner"]
