"""`penult plan`: list the images of a source once, in shards, for many machines."""

from __future__ import annotations

import argparse

from penult.cli import options, sources
from penult.cli.parser import Commands, command
from penult.i18n import _


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "plan",
        run,
        _("list the images of a large source in shards, for `penult embed` on many machines"),
        _(
            "PLAN is one Parquet file: a row is an image, so many rows are a shard. It fixes networks, engine and precision,\n"
            "so that every machine computes the same vectors, or refuses. No photo is opened. Of a tar file in a store "
            "all bytes\n"
            "are read, for it has no index; of zip and Parquet files only the index. It needs penult[cloud]."
        ),
        _("""
        penult plan s3://bucket/photos -o plan.parquet
        penult embed plan.parquet -o s3://bucket/features
        penult plan s3://bucket/photos -o plan.parquet --add    what is new since then, in new shards
        """),
    )
    p.add_argument(
        "source",
        metavar="SOURCE",
        help=_(
            "a folder, a CSV, a tar, zip or Parquet file with images in it, or an address: s3://, gs:// or az://BUCKET/PATH"
        ),
    )
    options.add_out(p, "PLAN", _("the file to write, or an address"), required=True)
    p.group("Actions").add_argument(
        "--add",
        action="store_true",
        help=_(
            "append what is new in SOURCE to PLAN; the shards that are in it stay as they are. A file that changed is a new "
            "image, and its old row counts no more"
        ),
    )
    p.group("Large data").add_argument("--rows", type=int, metavar="N", help=_("images of a shard (default: 1000)"))
    p.group("Large data").add_argument(
        "--float32", action="store_true", help=_("vectors as float32 (default: float16, half the size)")
    )
    options.add_backbones(p)
    sources.add_tables(p, labels=False)
    options.add_compute(p)


def run(args: argparse.Namespace) -> None:
    """Write the plan."""
    from penult import images, shards
    from penult.cli import output
    from penult.shards.place import fitted_networks
    from penult.texts import count

    shards.check_plan_name(args.out)
    table, settings = images.TableOptions(**sources.columns(args)), options.embed_options(args)
    facts = None
    with output.progress(not args.quiet) as progress:
        networks = options.find_networks(args, progress) if options.networks_asked(args) or not args.add else []
        if args.add:
            planned = shards.Plan.open(args.out).facts
            shards.check_asked(planned, args.source, settings, rows=args.rows, float32=args.float32)
            if networks:
                shards.check_networks(planned, networks)
        else:
            fitted = fitted_networks(args.source, networks, settings, table, progress)
            facts = shards.plan_facts(args.source, fitted, settings, rows=args.rows, float32=args.float32)
        done = shards.make_plan(args.source, args.out, facts, table=table, add=args.add, progress=progress)
    if args.json:
        counts = {"shards": done.shards, "images": done.rows, "new": done.new, "replaced": done.replaced, "gone": done.gone}
        output.as_json({"written": done.path, **counts, "notes": list(done.notes)})
        return
    photos, in_shards = count(done.rows, "image"), count(done.shards, "shard")
    if args.add:
        said = _(
            "{images} in {shards} ({new}, {replaced:,} of them changed)",
            images=photos,
            shards=in_shards,
            new=count(done.new, "new image"),
            replaced=done.replaced,
        )
        output.out(said)
    else:
        output.out(_("{images} in {shards}", images=photos, shards=in_shards))
    for text in done.notes:
        output.out(_("note: {text}", text=output.printable(text)))
    output.out(_("written: {path}", path=output.printable(done.path)))
