"""What the jobs that people bring come to, in figures with their bounds. One subcommand a topic; each is a module of `jobs`.

`python benchmarks/jobs.py TOPIC [...]`; `python benchmarks/jobs.py` lists the topics. A topic exits 1 where a bound is missed.
"""

from topics import main

if __name__ == "__main__":
    main(__file__, __doc__)
