"""`penult compare`: benchmark backbones, alone and combined, on your photos."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from penult.cli import options, sources
from penult.cli.parser import Commands, command
from penult.i18n import _
from penult.texts import count, percent

if TYPE_CHECKING:
    from penult.compare import CombinationScore, Comparison


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "compare",
        run,
        _("benchmark backbones, alone and combined, on your photos"),
        _(
            "TRAIN has the same layout as for `penult train`, but is one source. Every candidate embeds a stratified "
            "sample and\n"
            "is evaluated on the same folds, alone, in every pair and every trio: log loss against images/s, and what each\n"
            "member adds. The last line is the command to run next."
        ),
        _("""
        penult compare train --budget 10m                the cheapest networks first, for ten minutes
        penult compare train -b lite -b modern           two presets, alone and together
        penult compare train -b default --views 1,2,4    what more views of each photo gain and cost
        """),
    )
    p.add_argument("train", metavar="TRAIN", help=_("labelled images"))
    options.add_backbones(p, several_views=True)
    options.add_head(p, "blend")
    p.group("Evaluation").add_argument(
        "--budget", metavar="TIME", help=_("5m, 90s, 1h30m: the cheapest candidates first, until the time is over")
    )
    p.group("Evaluation").add_argument(
        "--sample", type=int, default=1000, metavar="N", help=_("images to compare on (default: 1000)")
    )
    options.add_groups(p)
    sources.add_tables(p, labels=False)
    options.add_out(p, "DIR", _("table and figure (default: penult-compare)"), default="penult-compare")
    options.add_seed(p, _("random seed of sample, folds and heads (default: 0)"))
    options.add_tolerance(p)
    options.add_compute(p)


def run(args: argparse.Namespace) -> None:
    """Compare the backbones."""
    from penult import compare, store, zoo
    from penult.cli import output

    store.check_output_folder(args.out, "--out")
    names = tuple(args.backbone or zoo.COMPARED)
    if isinstance(args.fit, tuple):  # several numbers of views
        names, args.fit = zoo.with_views(names, args.fit), None
    how = compare.CompareOptions(
        out=args.out,
        backbones=names,
        head=args.head,
        class_weight=args.class_weight,
        budget=None if args.budget is None else compare.seconds(args.budget),
        sample=args.sample,
        groups=args.groups,
        near_duplicates=args.near_duplicates,
        **sources.columns(args),
        crop_mode=args.fit,
        pooling=args.pooling,
        recipe=options.recipe(args),
        seed=args.seed,
        settings=options.embed_options(args),
    )
    with output.progress(not args.quiet) as progress:
        found = compare.compare(args.train, how, progress)
    if args.json:
        output.as_json({**found.to_dict(), "folder": args.out})
        return
    _show(found, args.out)


def _show(found: Comparison, out: str) -> None:
    from penult.cli import output
    from penult.evaluate import imbalanced

    engine, device, precision = found.engine
    several = found.share_name == "mAP"
    images = found.counts["images"] - found.counts["failed"] if several else sum(found.classes.values())
    head = "logistic" if several else found.options.head
    output.out(
        _(
            "{images} of {classes}, cross-validated with a {head} head; {device} ({engine}, {precision})",
            images=count(images, "image"),
            classes=_classes(found),
            head=head,
            device=device,
            engine=engine,
            precision=precision,
        )
    )
    for text in found.notes:
        output.out(_("note: {text}", text=output.printable(text)))
    rows = [_row(found, entry) for entry in found.entries]
    names = ["", _("log loss (95% CI)"), _(found.share_name), _("images/s"), "GMACs", _("width"), _("front"), _("license")]
    if found.share_name == "accuracy" and imbalanced(found.classes.values()):
        names.insert(3, _("balanced accuracy"))
        for row, entry in zip(rows, found.entries, strict=True):
            row.insert(3, percent(entry.scores["balanced_accuracy"].value))
    output.out(output.table(names, rows))
    output.out(_("front: Pareto front; nothing else is faster and has a smaller log loss"))
    lines = [
        _("  {name}: {adds}", name=output.printable(found.label(e)), adds=_adds(found, e)) for e in found.entries if e.adds
    ]
    if lines:
        output.out(_("what each member adds: reduction of the log loss (95% CI):"))
        output.out("\n".join(lines))
    for one in found.left_out:
        output.out(_("left out: {name}: {reason}", name=output.printable(one.name), reason=output.printable(one.reason)))
    output.out(
        _(
            "written to {out}: compare.csv, figures/compare.png, figures/compare.svg, compare.json",
            out=output.printable(str(out)),
        )
    )
    output.out(_("recommended: {reason}", reason=output.printable(found.reason)))
    output.out(output.printable(found.next_line))


def _classes(found: Comparison) -> str:
    several = found.share_name == "mAP"
    n = len(found.classes)
    return count(n, "label") if several else count(n, "class", "classes")


def _row(found: Comparison, entry: CombinationScore) -> list[str]:
    from penult.cli import output

    scores = entry.scores
    speed = entry.images_per_second
    return [
        found.label(entry),
        output.score(scores["log_loss"].to_dict()),
        percent(entry.share.value),
        f"{speed:.0f}" if speed >= 10 else f"{speed:.2g}",
        f"{entry.gmacs:.2f}",
        str(entry.width),
        "*" if entry.pareto else "",
        entry.license,
    ]


def _adds(found: Comparison, entry: CombinationScore) -> str:
    """Return what each member adds: `lite0 0.0031 (0.0012 to 0.0050); lite2: no measurable gain`."""
    from penult.compare.result import format_difference

    clear = {found.short[name]: gap for name, gap in entry.adds.items() if gap.clear}
    if not clear:
        return _("no backbone adds a measurable gain")
    said = ", ".join(f"{name} {format_difference(gap)}" for name, gap in clear.items())
    rest = [found.short[name] for name, gap in entry.adds.items() if not gap.clear]
    return _("{said}; {names}: no measurable gain", said=said, names=", ".join(rest)) if rest else said
