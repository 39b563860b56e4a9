"""Do shards keep what they promise, on one machine and on many? One subcommand a topic, a module of the folder `cluster` each.

`python benchmarks/cluster.py TOPIC [...]`; `python benchmarks/cluster.py` lists the topics.
"""

from topics import main

if __name__ == "__main__":
    main(__file__, __doc__)
