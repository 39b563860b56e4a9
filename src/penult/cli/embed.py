"""`penult embed`: extract features and write them as one HDF5 file, or as shards, for any number of images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from penult.cli import options, sharding, sources
from penult.cli.completion import FITS
from penult.cli.parser import Commands, command
from penult.errors import InputError, ProgressCallback
from penult.i18n import _

if TYPE_CHECKING:
    from penult.backbones import Backbone
    from penult.images import TableOptions


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "embed",
        run,
        _("extract features, to one HDF5 file or to Parquet shards"),
        _(
            "FILE.h5 has `train` (n, d), `label` (n,) where folders or a table tell classes, and `train_files`; with "
            "TRAIN and\n"
            "TEST also `test` (m, d) and `test_files`: the file of the blog post of 2017. With several backbones there "
            "is one\n"
            "file each: FILE_<backbone>.h5.\n"
            "A folder or address gets shards: Parquet files of some thousand images each, and manifest.json when all are "
            "there.\n"
            "The same command again does what is missing; --part lets several machines share the work. It needs penult[cloud]."
        ),
        _("""
        penult embed photos -o features.h5
        penult embed train test -o gap.h5 -b efficientnet_lite0
        penult embed s3://photos/all -o s3://photos/features --part 3/20
        penult train s3://photos/features
        """),
    )
    sources.add_images(
        p,
        "images",
        "SOURCE",
        _(
            "a folder of images, labelled or not, a table, a tar, zip or Parquet file with images in it, an address "
            "(s3://, gs:// "
            "or az://BUCKET/PATH), or a plan that `penult plan` made; of two, the first has the training and the second "
            "the test "
            "images"
        ),
    )
    options.add_backbones(p)
    options.add_out(p, "OUT", _("FILE.h5, or a folder or address (s3://BUCKET/PATH) for shards"), required=True)
    shards = sharding.add(p)
    shards.add_argument("--float32", action="store_true", help=_("store vectors as float32 (default: float16, half the size)"))
    sources.add_tables(p)
    options.add_tolerance(p)
    options.add_compute(p)


def run(args: argparse.Namespace) -> None:
    """Extract the features of every image."""
    if not args.images:
        args.usage_error(_("give SOURCE"))
    if Path(args.out).suffix.lower() in (".h5", ".hdf5") and "://" not in args.out:
        _refuse_options_of_shards(args)
        _to_file(args)
    else:
        _to_shards(args)


def _refuse_options_of_shards(args: argparse.Namespace) -> None:
    given = [name for name in (*sharding.OPTIONS, "float32") if getattr(args, name)]
    if given:
        raise InputError(
            _(
                "--{given} is for shards, and --out {out} is one file; give a folder or an address to --out.",
                given=given[0],
                out=args.out,
            )
        )


def _to_file(args: argparse.Namespace) -> None:
    """Write one HDF5 file a network."""
    from penult.cli import output
    from penult.embed import depth_notes, write_features
    from penult.pixels import image_name

    train, test = _parts(args.images)
    source, table = sources.to_scan(args, train)
    notes: list[str] = []
    with output.progress(not args.quiet) as progress:
        networks = options.find_networks(args, progress)
        done, paths = write_features(
            source, Path(args.out), networks, options.embed_options(args), progress, table, notes, test
        )
    output.tell_unreadable([image_name(i, source) for i, source in enumerate(done.sources)], done.failures)
    if args.json:
        counts = {"embedded": done.embedded, "reused": done.reused, "failed": len(done.failures)}
        output.as_json({"written": [str(p) for p in paths], "scanned": len(done.ok), **counts})
        return
    output.out(output.features_line(done))
    for text in (*notes, *depth_notes(done.backbones)):
        output.out(_("note: {text}", text=output.printable(text)))
    for b in done.backbones:
        if ".onnx" in b.name:
            output.out(_("note: {name}: {source}", name=output.printable(b.name), source=output.printable(b.source)))
    output.out(_("written: {paths}", paths=", ".join(output.printable(str(p)) for p in paths)))


def _parts(words: Sequence[str]) -> tuple[Sequence[str], str | list[str] | None]:
    """Return the words of the training part and the source of the test part: two that are no photos are one each."""
    from penult.sources import kind_of

    if len(words) == 2 and all(word == "-" or word[:1] == "@" or kind_of(word) is not None for word in words):
        return words[:1], sources.source_of(words[1:])
    return words, None


def _to_shards(args: argparse.Namespace) -> None:
    """Write Parquet shards, or those of one part."""
    from penult import shards
    from penult.cli import output

    source, table = sources.to_scan(args, args.images)
    if not isinstance(source, str) or table.photos:
        raise InputError(
            _("--out {out} gets shards, and they are of one source; give one, or FILE.h5 to --out.", out=args.out)
        )
    args.images = source
    shards.check_place(args.out, args.images)
    shards.refuse_answers(args.out)
    part, runner = sharding.part_of(args.part), sharding.runner(args, shards.Extractor)
    with output.progress(not args.quiet) as progress:
        notes = _make_ready(args, table, part, progress)
        done = shards.run_shards(args.out, part=part, runner=runner, progress=progress)
    for text in notes:
        output.note(_("note: {text}", text=text))
    sharding.tell_failures(args, done)
    sharding.tell(args, done, part)


def _make_ready(
    args: argparse.Namespace, table: TableOptions, part: tuple[int, int] | None, progress: ProgressCallback
) -> tuple[str, ...]:
    """See that plan and networks are there, made as is asked for; return what there is to say of the source."""
    from penult import shards

    settings = options.embed_options(args)
    planned = shards.is_plan(args.images)
    if part is not None and part[0] > 1 and not planned:
        shards.wait_for_plan(args.out, progress)
    ready = shards.is_ready(args.out)
    asked = options.networks_asked(args)
    find = _networks_of_plan if planned and not args.backbone else options.find_networks
    networks = find(args, progress) if asked or not ready else []
    if not ready:
        more = {"rows": args.rows, "float32": args.float32, "table": table, "progress": progress}
        notes = shards.make_ready(args.images, args.out, networks, settings, **more)
    else:
        notes = ()
        if planned:
            shards.take_plan(args.images, args.out)
    facts = shards.Plan.open(shards.name_below(args.out, shards.PLAN)).facts
    shards.check_asked(facts, None if planned else args.images, settings, rows=args.rows, float32=args.float32)
    if asked:
        shards.check_networks(facts, networks)
    return notes


def _networks_of_plan(args: argparse.Namespace, progress: ProgressCallback) -> list[Backbone]:
    """Return the networks that a plan names, with the preprocessing that it was made with. Raises `InputError`."""
    from penult import shards

    facts = shards.Plan.open(args.images).facts
    for fit in [args.fit] if args.fit else [None, *FITS]:
        given = {**vars(args), "backbone": [network.name for network in facts.networks], "fit": fit}
        networks = options.find_networks(argparse.Namespace(**given), progress)
        with suppress(InputError):
            shards.check_networks(facts, networks)
            break
    return networks  # others are refused by who compares them again
