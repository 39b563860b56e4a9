"""`penult embed`: extract features and write them as HDF5."""

from __future__ import annotations

import argparse
from pathlib import Path

from penult.cli import options


def add(commands: options.Commands) -> None:
    """Add the command and its options."""
    p = options.command(
        commands,
        "embed",
        run,
        "extract features from a folder (HDF5)",
        "The file has `train` (n, d), `label` (n,) where the folders tell classes, and `train_files`. With several backbones\n"
        "there is one file each: FILE_<backbone>.h5.",
    )
    p.add_argument("images", metavar="IMAGES", help="a folder of images, labelled or not, or a CSV")
    options.add_backbones(p)
    p.add_argument("--out", required=True, metavar="FILE.h5", help="the file to write")
    options.add_tables(p)
    options.add_tolerance(p)
    options.add_compute(p)


def run(args: argparse.Namespace) -> None:
    """Extract the features of every image."""
    from penult import images, store
    from penult.cli import output
    from penult.embed import depth_notes, write_features

    store.check_output_file(args.out, store.HDF5, "--out")
    table = images.TableOptions(**options.columns(args))
    notes: list[str] = []
    with output.progress(not args.quiet) as progress:
        networks = options.find_networks(args, progress)
        done, paths = write_features(
            args.images, Path(args.out), networks, options.embed_options(args), progress, table, notes
        )
    output.tell_unreadable([str(source) for source in done.sources], done.failures)
    if args.json:
        counts = {"embedded": done.embedded, "reused": done.reused, "failed": len(done.failures)}
        output.as_json({"written": [str(p) for p in paths], "scanned": len(done.ok), **counts})
        return
    output.out(output.features_line(done))
    for text in (*notes, *depth_notes(done.backbones)):
        output.out(f"note: {output.printable(text)}")
    for b in done.backbones:
        if ".onnx" in b.name:
            output.out(f"note: {output.printable(b.name)}: {output.printable(b.source)}")
    output.out(f"written: {', '.join(output.printable(str(p)) for p in paths)}")
