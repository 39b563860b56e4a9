"""The command line of a benchmark with topics: `python benchmarks/NAME.py TOPIC [...]`, a module of the folder NAME each."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path


def main(file: str, about: str) -> None:
    """Run the topic that is asked for: its module's `add(parser)` adds options, `run(args)` returns an exit code or None."""
    folder = Path(file).with_suffix("")
    asked = argparse.ArgumentParser(description=about.splitlines()[0])
    topics = asked.add_subparsers(dest="topic", required=True, metavar="TOPIC")
    for found in pkgutil.iter_modules([str(folder)]):
        module = importlib.import_module(f"{folder.name}.{found.name}")  # the package stands before the file of that name
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
    args = asked.parse_args(sys.argv[1:] or ["--help"])
    raise SystemExit(args.run(args))
