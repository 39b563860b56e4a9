"""`penult explain`: heat maps of what drove each prediction."""

from __future__ import annotations

import argparse
from typing import Any

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.i18n import _


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "explain",
        run,
        _("heat maps of what drove each prediction"),
        _(
            "One PNG a photo, with a scale and a caption. cam, the class activation map, is exact: it adds up to the "
            "logit; it\n"
            "needs a linear head (blend, logistic, lda, centroid, dense, linear svm) on networks with feature maps. "
            "occlusion\n"
            "covers the photo piece by piece, works for all, and takes some eighty times as long. auto uses cam where it can."
        ),
        _("""
        penult explain run photo.jpg
        penult explain run new/ --class dog -o maps      what speaks for "dog" in each photo
        """),
    )
    options.add_model(p)
    p.add_argument("images", nargs="+", metavar="IMAGE", help=_("images, or folders of them"))
    p.group("Output").add_argument(
        "--class",
        dest="label",
        metavar="NAME",
        help=_("the class to explain (default: the predicted one; of several labels a photo each that it is given)"),
    )
    options.add_out(p, "DIR", _("folder of the pictures (default: penult-explain)"), default="penult-explain")
    p.group("Output").add_argument("--method", default="auto", choices=("auto", "cam", "occlusion"), help=_("(default: auto)"))
    options.add_compute(p)


def run(args: argparse.Namespace) -> None:
    """Explain the prediction of each image."""
    from penult import bundle, explain, images, plots, store
    from penult.cli import output
    from penult.predict import Predictor

    store.check_output_folder(args.out, "--out")
    model = bundle.load_bundle(args.model)
    predictor = Predictor(model, options.embed_options(args))
    found = images.scan_unlabelled(args.images, classes=model.classes)
    done: list[dict[str, Any]] = []
    failures = {}
    with output.progress(not args.quiet) as progress:
        for one in explain.each(predictor, found.sources, args.label, args.method, ids=found.ids, progress=progress):
            if isinstance(one, explain.Unreadable):
                done.append({"file": one.file, "unreadable": one.failure.reason})
                failures[one.index] = one.failure
            else:
                done.append({**one.to_dict(), "picture": str(explain.write_picture(one, args.out))})
    output.tell_unreadable(found.ids, failures)
    if args.json:
        output.as_json(done)
        return
    for about in done:
        output.out(output.printable(_line(about)))
    if note := plots.font_note():
        output.out(_("note: {text}", text=note))


def _line(about: dict[str, Any]) -> str:
    """Return `99.9%  cat  photos/12.jpg  class activation map: penult-explain/12-cat-1f6e09ab.png`."""
    if "unreadable" in about:
        return _("   -     {file}  (unreadable: {reason})", file=about["file"], reason=_(about["unreadable"]))
    label = about["label"]
    if label != about["predicted"]:
        label = _("{label}  (predicted: {predicted})", label=label, predicted=about["predicted"])
    method = {"class activation map": _("class activation map"), "occlusion": _("occlusion")}.get(about["method"])
    head = f"{100 * about['probability']:5.1f}%  {label}  {about['file']}"
    return _("{head}  {method}: {picture}", head=head, method=method or about["method"], picture=about["picture"])
