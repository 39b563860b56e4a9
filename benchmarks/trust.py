"""Are the numbers and the advice to be trusted? One subcommand a topic; each is a module of the folder `trust`.

`python benchmarks/trust.py TOPIC [...]`; `python benchmarks/trust.py` lists the topics.
"""

from topics import main

if __name__ == "__main__":
    main(__file__, __doc__)
