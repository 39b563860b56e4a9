"""Does the studio keep what it promises? One subcommand a topic; each is a module of the folder `studio`.

`python benchmarks/studio.py TOPIC [...]`; `python benchmarks/studio.py` lists the topics.
"""

from topics import main

if __name__ == "__main__":
    main(__file__, __doc__)
