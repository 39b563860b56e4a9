"""`penult demo`: the full example on real photos."""

from __future__ import annotations

import argparse
import sys

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.i18n import _


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "demo",
        run,
        _("full example on real photos: find defective solar cells (or on your own FOLDER)"),
        _(
            "A quarter of the images is held out, stratified by class, and evaluated at the end.\n"
            "The photos (CC BY-NC-SA 4.0, Deitsch et al.) are those of the package elpv-dataset. Where it is not installed\n"
            "(pip install 'penult[demo]'), pip fetches them into the cache once, 91 MB: you are asked, or give --yes."
        ),
        _("""
        penult demo                                      solar cells
        penult demo --yes                                the same, and fetch the photos without asking
        penult demo photos                               your own photos, a quarter held out
        """),
    )
    p.add_argument("folder", nargs="?", metavar="FOLDER", help=_("your own labelled images, instead of the solar cells"))
    p.group("Data").add_argument("--yes", action="store_true", help=_("fetch the photos by pip, if need be, without asking"))
    options.add_training(p)


def run(args: argparse.Namespace) -> None:
    """Train on three quarters, evaluate on the rest."""
    from penult import demo
    from penult.cli import output, summary

    how = options.train_options(args, "penult-demo/run" if args.folder is None else "penult-demo-own/run")
    if args.folder is None and not demo.has_photos(args.cache) and (args.yes or _agreed(args.quiet)):
        with output.progress(not args.quiet) as progress:
            demo.fetch_photos(args.cache, progress)
    with output.progress(not args.quiet) as progress:
        done = demo.solar_cells(how, progress) if args.folder is None else demo.own_folder(args.folder, how, progress)
    if args.json:
        output.as_json({**done.run.metrics, "run": str(done.run.folder), "published": done.published})
        return
    output.out(done.about)
    summary.show_run(done.run, False)
    for line in done.beside:
        output.out(line)


def _agreed(quiet: bool) -> bool:
    """Ask whether the photos may be fetched; nobody who cannot answer is asked."""
    if quiet or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    question = _("Fetch the photos of the demo (91 MB, CC BY-NC-SA 4.0) by pip into the cache? [y/N]")
    print(question, end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是")
