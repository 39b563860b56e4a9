"""`penult export`: write a model in a format that other programs run."""

from __future__ import annotations

import argparse

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.i18n import _


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "export",
        run,
        _("write a model as ONNX, a web page, OpenVINO IR or a model card"),
        _(
            "The exported graph is compared with `penult predict --precision f32` on up to 50 photos by every runtime "
            "that is\n"
            "installed, and written only when the answers agree; the largest difference stands in the file.\n\n"
            "  onnx      one file: the pixels of a photo of any size in, calibrated probabilities and novelty out\n"
            "  html      one page for a browser: drop photos on it; no server, no internet access\n"
            "  openvino  a folder with model.xml and model.bin\n"
            "  network   one file: pixels that are resized already in, for runtimes without dynamic shapes\n"
            "  litert    a folder with model.tflite, for phones and small boards: as network (extra litert, Python 3.12)\n"
            "  card      a folder for a model hub: model.onnx, README.md with the measured scores, samples (nothing is "
            "uploaded)"
        ),
        _("""
        penult export run --to html -o classifier.html
        penult export run --to onnx -o classifier.onnx
        """),
    )
    options.add_model(p)
    output = p.group("Output")
    output.add_argument("--to", required=True, metavar="FORMAT", help=_("onnx, html, openvino, network, litert or card"))
    options.add_out(p, "PATH", _("file (onnx, html, network) or folder (openvino, litert, card) to write"), required=True)
    output.add_argument(
        "--weights",
        choices=("f32", "f16", "int16"),
        help=_("int16 and f16 halve the file; probabilities within about 0.0003, 0.002 (default: int16 for html, else f32)"),
    )
    output.add_argument(
        "--runtime",
        metavar="FILE",
        help=_("for html: the npm archive of onnxruntime-web (default: downloaded once, and kept)"),
    )
    p.group("Data").add_argument(
        "--photos", metavar="DIR", help=_("photos to compare on (default: the training photos, where they still are)")
    )
    options.add_output(p)


def run(args: argparse.Namespace) -> None:
    """Export the model, and say how near it came."""
    from penult.cli import output
    from penult.export import export_model
    from penult.texts import count

    with output.progress(not args.quiet) as progress:
        more = {"weights": args.weights, "photos": args.photos, "runtime": args.runtime}
        done = export_model(args.model, args.to, args.out, **more, progress=progress)
    if args.json:
        output.as_json({"files": [str(path) for path in done.paths], "parity": [one.to_dict() for one in done.parity]})
        return
    for one in done.parity:
        output.out(
            _(
                "{runtime} {version}: probabilities within {difference:.1e} of `penult predict --precision f32` on {photos}",
                runtime=one.runtime,
                version=one.version,
                difference=one.difference,
                photos=count(one.photos, "photo"),
            )
        )
    output.out(
        _(
            "written: {paths} ({nbytes:.1f} MB)",
            paths=", ".join(output.printable(str(path)) for path in done.paths),
            nbytes=done.nbytes / 1e6,
        )
    )
