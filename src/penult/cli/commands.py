"""One function a command: turn the words into one call below, and print what came of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from penult.cli import show, unreadable
from penult.embed import Embedding, EmbedOptions, Tolerance
from penult.errors import InputError
from penult.texts import count, percent


def settings(asked: argparse.Namespace) -> EmbedOptions:
    """Return where and how features are computed, and how many images may be bad. Raises `InputError`."""
    tolerance = Tolerance.parse(getattr(asked, "max_bad", None), getattr(asked, "strict", False))
    return EmbedOptions(asked.device, asked.precision, asked.cache, tolerance=tolerance, max_pixels=asked.max_pixels)


def _options(asked: argparse.Namespace, out: str) -> Any:
    from penult import store
    from penult.training import TrainOptions

    store.check_output_folder(asked.out or out, "--out")
    given = {
        "backbones": tuple(asked.backbone) if asked.backbone else None,
        "crop_mode": asked.fit,
        "pooling": asked.pooling,
        "head": asked.head,
        "clip": _clip(asked.clip),
        "class_weight": asked.class_weight,
        "groups": getattr(asked, "groups", None),
        "near_duplicates": getattr(asked, "near_duplicates", None),
        **columns(asked),
        "submission": getattr(asked, "submission", None),
        "submit": getattr(asked, "submit", None),
        "files": getattr(asked, "files", None),
        "recipe": recipe(asked),
        "review": getattr(asked, "review", None),
    }
    make = TrainOptions.of_blog2017 if getattr(asked, "protocol", None) == "blog2017" else TrainOptions
    known = {name: value for name, value in given.items() if value is not None}
    return make(out=asked.out or out, seed=asked.seed, settings=settings(asked), **known)


def columns(asked: argparse.Namespace) -> dict[str, Any]:
    """Return what was said of a CSV of images."""
    return {name: getattr(asked, name, None) for name in ("image_column", "label_column", "image_dir", "encoding")}


def recipe(asked: argparse.Namespace) -> dict[str, Any] | None:
    """Return what --recipe says. Raises `InputError` where no backbone is an ONNX file, which alone need to be told."""
    from penult import zoo

    if not asked.recipe:
        return None
    if not any(".onnx" in name.lower() for name in asked.backbone or ()):
        raise InputError(
            "--recipe tells how an ONNX file sees, and no -b names one; other networks bring their own recipe "
            "(--fit and NAME:SIZE change it)."
        )
    return zoo.parse_recipe(asked.recipe)


def _clip(text: str | None) -> Any:
    if text is None or text == "auto":
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 0.5:
        raise InputError(f"--clip {text!r} is not `auto` or a probability from 0 to below 0.5; give one, such as 0.005.")
    return value


def train(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult train`."""
    from penult import training as rooms

    if bool(asked.train) == bool(asked.features):
        parser.error("give either TRAIN or --features")
    if asked.features and (asked.test or asked.groups or asked.backbone or asked.fit or asked.pooling):
        parser.error("--test, --groups, --backbone, --fit and --pooling need images; with --features they have no meaning")
    if asked.files and not asked.features:
        parser.error("--files goes with --features")
    if asked.review is not None and not (asked.test or asked.features):
        parser.error("--review chooses among the photos of --test")
    if asked.protocol and (asked.features or asked.head or asked.clip or asked.fit or asked.pooling or asked.recipe):
        parser.error("--protocol decides head, clip, fit, pooling and recipes, and starts from images; leave those out")
    options = _options(asked, "penult-run")
    with show.progress(not asked.quiet) as progress:
        if asked.features:
            run = rooms.train_features(asked.features, options, progress)
        else:
            run = rooms.train(asked.train, asked.test, options, progress)
    _show_run(run, asked.json)


def _show_run(run: Any, as_json: bool) -> None:
    from penult.cli import summary  # it knows the page, which `predict` need not load

    if as_json:
        show.as_json({**run.metrics, "run": str(run.folder), "summary": summary.summary(run.metrics, run.folder)})
        return
    m = run.metrics
    if run.embedding is not None:
        show.out(_road(run.embedding))
    for text in m["notes"]:
        show.out(f"note: {show.printable(text)}")
    seen = m["scores"]
    show.out(f"classes: {', '.join(f'{show.printable(c)} {n}' for c, n in m['classes'].items())}")
    many = count(seen["measured"], "training image")
    show.out(f"on {many}, each judged by a model that had not seen it (95% interval):")
    _show_scores(seen)
    if m["test"] is not None:
        leaked = ((m["audit"] or {}).get("leak") or {}).get("photos")
        seen_too = f", {leaked:,} of them found in training too:" if leaked else " that no model had seen:"
        show.out(f"on {count(m['test']['measured'], 'test image')}{seen_too}")
        _show_scores(m["test"])
    if len(m["compared"]) > 1:
        show.out("compared, same folds:")
        rows = [[r["name"], percent(r["accuracy"]), f"{r['log_loss']:.4f}"] for r in m["compared"]]
        show.out(show.table(["", "accuracy", "log loss"], rows))
    show.out(f"head: {_choice(m['choice'])}")
    if m["precision"] is not None:
        show.out(_precision(m["precision"]))
    names = (
        "model.penult", "predictions.csv", "submission.csv", "review.csv", "findings.csv", "report.html", "figures",
        "skipped.csv",
    )  # fmt: skip
    made = [n for n in names if (run.folder / n).exists() and (n != "skipped.csv" or m["images"].get("failed"))]
    show.out(f"written to {show.printable(str(run.folder))}: {', '.join(made)}, metrics.json")
    summary.show_summary(summary.summary(m, run.folder))


def _precision(p: dict[str, Any]) -> str:
    gap = p["difference"]
    return (
        f"{p['precision']} beside f32, {count(p['images'], 'image')} on the same folds: log loss {p['log_loss']:.4f} and "
        f"{p['log_loss_f32']:.4f}, difference {show.score(gap)}"
    )


def _choice(choice: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in choice.items())


def _show_scores(found: dict[str, Any]) -> None:
    from penult.evaluate import rarest_classes

    scores = found["scores"]
    show.out(f"  accuracy {show.score(scores['accuracy'], percent=True)}   log loss {show.score(scores['log_loss'])}")
    rare = rarest_classes(found)
    if rare is not None:
        which = repr(rare.names[0]) if len(rare.names) == 1 else f"the {len(rare.names)} rarest classes"
        recall = show.score({"value": rare.recall, "low": rare.low, "high": rare.high}, percent=True)
        show.out(f"  balanced accuracy {show.score(scores['balanced_accuracy'], percent=True)}   recall of {which} {recall}")
    show.out(f"  AUC {show.score(scores['auc'])}   calibration error {show.score(scores['ece'])}")


def _road(done: Embedding) -> str:
    """Return the line that says device, precision, speed, and what became of every image."""
    n = len(done.ok)
    rate = f", {done.embedded / done.seconds:.0f} images/s" if done.embedded else ""
    return (
        f"{count(n, 'image')} on {done.compute.device} ({done.engine}, {done.compute.precision}{rate}): "
        f"{done.embedded} embedded, {done.reused} reused, {len(done.failures)} failed"
    )


def predict(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult predict`."""
    from penult import bundle, images, store
    from penult.evaluate import check_level
    from penult.predict import Predictor, write_review

    if bool(asked.images) == bool(asked.features):
        parser.error("give either IMAGES or --features")
    if asked.review is not None:
        check_level(asked.review)
    if asked.csv:
        store.check_output_file(asked.csv, store.CSV, "--csv")
    model = bundle.load(asked.model)
    predictor = Predictor(model, settings(asked))
    if asked.features:
        answers = predictor.predict_features(asked.features)
    else:
        found = images.scan_unlabelled(asked.images, model.classes, images.TableOptions(**columns(asked)))
        _look_at(found, predictor.settings)
        with show.progress(not asked.quiet) as progress:
            answers = predictor.predict([i.path for i in found.images], found.ids, progress)
        unreadable.tell(answers.ids, answers.failures)
    if asked.csv:
        answers.write_csv(asked.csv)
    doubts = None
    if asked.review is not None:
        place = Path(asked.csv).parent if asked.csv else Path()
        path = place / "review.csv"
        doubts = f"{write_review(path, answers, asked.review)} of them to review: {show.printable(str(path))}"
    if asked.json:
        show.as_json([p.to_dict() for p in answers])
    elif asked.csv:
        show.out(
            f"{count(len(answers), 'prediction')} written to {show.printable(asked.csv)}; "
            f"{count(len(answers.failures), 'image')} unreadable"
        )
    else:
        for p in answers:
            why = f"  (unreadable: {p.failure.reason})" if p.failure else "  (unlike the training photos)" if p.unlike else ""
            show.out(f"{percent(p.confidence):>7}  {show.printable(p.label)}  {show.printable(p.id)}{why}")
    if doubts and not asked.json:
        show.out(doubts)


def _look_at(found: Any, used: EmbedOptions) -> None:
    """Say what a scan passed over. Raises `TooManyBad` where that must be nothing."""
    used.tolerance.scanned(found)
    for text in found.notes:
        show.note(f"note: {text}")


def evaluate(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult evaluate`."""
    from penult import bundle, images
    from penult.predict import Predictor, judge, remark_on_training

    model = bundle.load(asked.model)
    found = images.scan_labelled(asked.labelled, classes=model.classes, table=images.TableOptions(**columns(asked)))
    predictor = Predictor(model, settings(asked))
    _look_at(found, predictor.settings)
    with show.progress(not asked.quiet) as progress:
        answers = predictor.predict([i.path for i in found.images], found.ids, progress)
    unreadable.tell(answers.ids, answers.failures)
    result = judge(answers, [str(i.label) for i in found.images]).to_dict()
    if asked.json:
        known = None if answers.in_training is None else int(answers.in_training.sum())
        show.as_json({**result, "unreadable": len(answers.failures), "in_training": known})
        return
    if remark := remark_on_training(answers):
        show.out(f"note: {remark}")
    unread = f" ({len(answers.failures)} unreadable, judged by the class prior)" if answers.failures else ""
    show.out(f"on {count(len(answers), 'image')}{unread}:")
    _show_scores(result)
    rows = [[str(r["name"]), percent(r["precision"]), percent(r["recall"]), str(r["support"])] for r in result["per_class"]]
    show.out(show.table(["class", "precision", "recall", "images"], rows))


def embed(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult embed`."""
    from penult import images, store, zoo
    from penult.embed import depth_notes, write_features

    store.check_output_file(asked.out, store.HDF5, "--out")
    table = images.TableOptions(**columns(asked))
    changes = {"crop_mode": asked.fit} if asked.fit else {}
    notes: list[str] = []
    with show.progress(not asked.quiet) as progress:
        networks = [
            zoo.find(name, asked.pooling, cache=asked.cache, recipe=recipe(asked), progress=progress, **changes)
            for name in zoo.expand(asked.backbone or ["lite"])
        ]
        done, paths = write_features(asked.images, Path(asked.out), networks, settings(asked), progress, table, notes)
    unreadable.tell([str(source) for source in done.sources], done.failures)
    if asked.json:
        show.as_json(
            {
                "written": [str(p) for p in paths],
                "scanned": len(done.ok),
                "embedded": done.embedded,
                "reused": done.reused,
                "failed": len(done.failures),
            }
        )
        return
    show.out(_road(done))
    for text in (*notes, *depth_notes(done.backbones)):
        show.out(f"note: {show.printable(text)}")
    for b in done.backbones:
        if ".onnx" in b.name:
            show.out(f"note: {show.printable(b.name)}: {show.printable(b.source)}")
    show.out(f"written: {', '.join(show.printable(str(p)) for p in paths)}")


def compare(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult compare`."""
    from penult.cli import comparing

    comparing.compare(parser, asked)


def report(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult report`."""
    from penult.cli import reporting

    reporting.report(parser, asked)


def explain(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult explain`."""
    from penult.cli import explaining

    explaining.explain(parser, asked)


def backbones(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult backbones`."""
    from penult.cli import networks

    networks.backbones(parser, asked)


def similar(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult similar`."""
    from penult.cli import neighbours

    neighbours.similar(parser, asked)


def demo(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult demo`."""
    from penult import demo as room

    options = _options(asked, "penult-demo/run" if asked.folder is None else "penult-demo-own/run")
    with show.progress(not asked.quiet) as progress:
        job = room.solar_cells(options, progress) if asked.folder is None else room.own_folder(asked.folder, options, progress)
    if asked.json:
        show.as_json({**job.run.metrics, "run": str(job.run.folder), "published": job.published})
        return
    show.out(job.about)
    _show_run(job.run, False)
    for line in job.beside:
        show.out(line)


def audit(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult audit`."""
    from penult.cli import auditing

    auditing.audit(parser, asked)


def cache(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> int:
    """`penult cache`."""
    from penult.cli import caching

    return caching.cache(parser, asked)
