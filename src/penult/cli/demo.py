"""`penult demo`: the full example on real photos."""

from __future__ import annotations

import argparse

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
            "The photos come with the extra: pip install 'penult[demo]' (data: CC BY-NC-SA 4.0, Deitsch et al.)."
        ),
        _("""
        penult demo                                      solar cells, nothing to download
        penult demo photos                               your own photos, a quarter held out
        """),
    )
    p.add_argument("folder", nargs="?", metavar="FOLDER", help=_("your own labelled images, instead of the solar cells"))
    options.add_training(p)


def run(args: argparse.Namespace) -> None:
    """Train on three quarters, evaluate on the rest."""
    from penult import demo
    from penult.cli import output, summary

    how = options.train_options(args, "penult-demo/run" if args.folder is None else "penult-demo-own/run")
    with output.progress(not args.quiet) as progress:
        done = demo.solar_cells(how, progress) if args.folder is None else demo.own_folder(args.folder, how, progress)
    if args.json:
        output.as_json({**done.run.metrics, "run": str(done.run.folder), "published": done.published})
        return
    output.out(done.about)
    summary.show_run(done.run, False)
    for line in done.beside:
        output.out(line)
