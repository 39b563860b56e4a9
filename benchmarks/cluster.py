"""Do shards keep what they promise, on one machine and on many? One subcommand a topic, a module of the folder `cluster` each.

`python benchmarks/cluster.py TOPIC [...]`; `python benchmarks/cluster.py` lists the topics.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from pathlib import Path


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    topics = asked.add_subparsers(dest="topic", required=True, metavar="TOPIC")
    for found in pkgutil.iter_modules([str(Path(__file__).with_name("cluster"))]):
        module = importlib.import_module(f"cluster.{found.name}")  # the package stands before this file
        if not hasattr(module, "add"):  # what several topics share
            continue
        said = (module.__doc__ or "").strip().replace("%", "%%")
        topic = topics.add_parser(
            found.name.replace("_", "-"),
            help=said.splitlines()[0],
            description=said,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add(topic)
        topic.set_defaults(run=module.run)
    args = asked.parse_args()
    raise SystemExit(args.run(args))


if __name__ == "__main__":
    main()
