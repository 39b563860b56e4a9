"""Are the numbers and the advice to be trusted? One subcommand a topic; each is a module of the folder `trust`.

`python benchmarks/trust.py TOPIC [...]`; `python benchmarks/trust.py` lists the topics.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from pathlib import Path


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    topics = asked.add_subparsers(dest="topic", required=True, metavar="TOPIC")
    for found in pkgutil.iter_modules([str(Path(__file__).with_name("trust"))]):
        module = importlib.import_module(f"trust.{found.name}")  # the package stands before this file
        said = (module.__doc__ or "").strip()
        topic = topics.add_parser(
            found.name, help=said.splitlines()[0], description=said, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add(topic)
        topic.set_defaults(run=module.run)
    args = asked.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
