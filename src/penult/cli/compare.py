"""`penult compare`: benchmark backbones, alone and combined, on your photos."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from penult.cli import options, sources
from penult.cli.parser import Commands, command
from penult.texts import count, percent

if TYPE_CHECKING:
    from penult.compare import CombinationScore, Comparison


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "compare",
        run,
        "benchmark backbones, alone and combined, on your photos",
        "TRAIN has the same layout as for `penult train`, but is one source. Every candidate embeds a stratified sample and\n"
        "is evaluated on the same folds, alone, in every pair and every trio: log loss against images/s, and what each\n"
        "member adds. The last line is the command to run next.",
        """
        penult compare train --budget 10m                the cheapest networks first, for ten minutes
        penult compare train -b lite -b modern           two presets, alone and together
        penult compare train -b default --views 1,2,4    what more views of each photo gain and cost
        """,
    )
    p.add_argument("train", metavar="TRAIN", help="labelled images")
    options.add_backbones(p, several_views=True)
    options.add_head(p, "blend")
    p.group("Evaluation").add_argument(
        "--budget", metavar="TIME", help="5m, 90s, 1h30m: the cheapest candidates first, until the time is over"
    )
    p.group("Evaluation").add_argument(
        "--sample", type=int, default=1000, metavar="N", help="images to compare on (default: 1000)"
    )
    options.add_groups(p)
    sources.add_tables(p, labels=False)
    options.add_out(p, "DIR", "table and figure (default: penult-compare)", default="penult-compare")
    options.add_seed(p, "sample, folds and heads")
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
        f"{count(images, 'image')} of {_classes(found)}, cross-validated with a {head} head; {device} ({engine}, {precision})"
    )
    for text in found.notes:
        output.out(f"note: {output.printable(text)}")
    rows = [_row(found, entry) for entry in found.entries]
    names = ["", "log loss (95% CI)", found.share_name, "images/s", "GMACs", "width", "front", "license"]
    if found.share_name == "accuracy" and imbalanced(found.classes.values()):
        names.insert(3, "balanced accuracy")
        for row, entry in zip(rows, found.entries, strict=True):
            row.insert(3, percent(entry.scores["balanced_accuracy"].value))
    output.out(output.table(names, rows))
    output.out("front: Pareto front; nothing else is faster and has a smaller log loss")
    lines = [f"  {output.printable(found.label(e))}: {_adds(found, e)}" for e in found.entries if e.adds]
    if lines:
        output.out("what each member adds: reduction of the log loss (95% CI):")
        output.out("\n".join(lines))
    for one in found.left_out:
        output.out(f"left out: {output.printable(one.name)}: {output.printable(one.reason)}")
    output.out(f"written to {output.printable(str(out))}: compare.csv, figures/compare.png, figures/compare.svg, compare.json")
    output.out(f"recommended: {output.printable(found.reason)}")
    output.out(output.printable(found.next_line))


def _classes(found: Comparison) -> str:
    several = found.share_name == "mAP"
    return count(len(found.classes), "label" if several else "class", "" if several else "classes")


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
        return "no backbone adds a measurable gain"
    said = ", ".join(f"{name} {format_difference(gap)}" for name, gap in clear.items())
    rest = [found.short[name] for name, gap in entry.adds.items() if not gap.clear]
    return f"{said}; {', '.join(rest)}: no measurable gain" if rest else said
