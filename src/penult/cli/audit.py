"""`penult audit`: find data problems, or move the photos that a list names."""

from __future__ import annotations

import argparse
from itertools import groupby
from typing import TYPE_CHECKING

from penult.cli import options, sources
from penult.cli.parser import Commands, command
from penult.i18n import _

if TYPE_CHECKING:
    from penult.audit import Finding

SHOWN = 10  # lines of one kind in the terminal


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "audit",
        run,
        _("find data problems: duplicates, train/test leakage, label errors, outliers"),
        _(
            "TRAIN has the same layout as for `penult train`, which does the same checks. Nothing is moved unless --apply is\n"
            "given a list: findings.csv with a column `decision` (keep, drop, move:CLASS; empty: nothing), or a list of "
            "moves\n"
            "(file,to). Photos that are dropped go to the folder TRAIN-dropped (leaks, with --test, to DIR-dropped); of a\n"
            "table of labels a corrected copy is written beside it. Nothing is ever deleted or overwritten."
        ),
        _("""
        penult audit train --test test --csv findings.csv
        penult audit train --apply findings.csv          after its column `decision` was filled in
        """),
    )
    sources.add_images(p, "train", "TRAIN", _("labelled images"))
    p.group("Data").add_argument("--test", metavar="DIR", help=_("test images, which must not be in TRAIN"))
    p.group("Output").add_argument("--csv", metavar="FILE", help=_("write kind,file,related,score,reason,suggestion"))
    p.group("Output").add_argument(
        "--all", action="store_true", help=_("list every photo that the model gets wrong, too, as kind model_error")
    )
    p.group("Actions").add_argument(
        "--apply", metavar="LIST.csv", help=_("do what a list says with the photos of TRAIN, and nothing else")
    )
    options.add_groups(p)
    sources.add_tables(p, training=True)
    options.add_backbones(p)
    options.add_head(p)
    options.add_seed(p, _("random seed of folds and heads (default: 0)"))
    options.add_tolerance(p)
    options.add_compute(p)
    p.set_defaults(out=None)


def run(args: argparse.Namespace) -> None:
    """Audit photos, or do what a list says with them."""
    if not args.train:
        args.usage_error(_("give TRAIN"))
    from penult import store
    from penult.audit import KINDS
    from penult.cli import output
    from penult.training import findings

    if args.apply is not None:
        _apply(args)
        return
    if args.csv is not None:
        store.check_output_file(args.csv, store.CSV, "--csv")
    with output.progress(not args.quiet) as progress:
        source = sources.source_of(args.train)
        done = findings.audit_photos(source, args.test, options.train_options(args, "penult-run"), progress, args.all)
    if args.csv is not None:
        findings.write_findings_csv(args.csv, done.findings)
    if args.json:
        output.as_json({**done.summary, "findings": [one.to_dict() for one in done.findings], "notes": list(done.notes)})
        return
    for text in done.notes:
        output.out(_("note: {text}", text=output.printable(text)))
    if not done.findings:
        output.out(_("no problems found"))
    for kind, several in groupby(done.findings, key=lambda one: one.kind):
        found = list(several)
        right = KINDS[kind].expects(len(found), done.summary["expected"].get(kind))
        known = {"kind": kind, "number": len(found), "right": right}
        output.out(_("{kind}: {number:,}; {right}", **known) if right else _("{kind}: {number:,}", **known))
        for one in found[:SHOWN]:
            beside = f" ({output.printable(one.related)})" if one.related else ""
            output.out(
                _(
                    "  {score:.2f}  {file}: {reason}; {suggestion}",
                    score=one.score,
                    file=output.printable(_named(one)) + beside,
                    reason=output.printable(one.reason),
                    suggestion=output.printable(one.suggestion),
                )
            )
        if (rest := len(found) - SHOWN) > 0:
            more = _("  {n} more", n=rest) if args.csv else _("  {n} more; --csv FILE lists all", n=rest)
            output.out(more)
    if args.csv is not None:
        output.out(_("written to {csv}", csv=output.printable(args.csv)))


def _apply(args: argparse.Namespace) -> None:
    from dataclasses import asdict

    from penult.cli import output
    from penult.training import repairs

    if args.csv or args.all:
        args.usage_error(_("--apply does what a list says and nothing else; leave --csv and --all out"))
    source, table = sources.to_scan(args, args.train)
    if not isinstance(source, str) or table.photos:
        args.usage_error(_("--apply moves the photos of one folder or table: give one TRAIN"))
        return
    done = repairs.apply_repairs(source, args.apply, args.test, table)
    if args.json:
        output.as_json(asdict(done))
        return
    for line in repairs.tell(done):
        output.out(line)


def _named(one: Finding) -> str:
    return _("class {name}", name=one.file) if one.about == "class" else one.file
