"""`penult explain`: turn the words into one call, and say for each photo what was written."""

from __future__ import annotations

import argparse
from typing import Any

from penult.cli import show, unreadable


def explain(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult explain`."""
    from penult import bundle, images, store
    from penult import explain as room
    from penult.cli.commands import settings
    from penult.predict import Predictor

    store.check_output_folder(asked.out, "--out")
    model = bundle.load(asked.model)
    predictor = Predictor(model, settings(asked))
    found = images.scan_unlabelled(asked.images, classes=model.classes)
    done: list[dict[str, Any]] = []
    failures = {}
    with show.progress(not asked.quiet) as progress:
        for one in room.each(predictor, found.paths, asked.label, asked.method, ids=found.ids, progress=progress):
            if isinstance(one, room.Unreadable):
                done.append({"file": one.file, "unreadable": one.failure.reason})
                failures[one.index] = one.failure
            else:
                done.append({**one.to_dict(), "picture": str(room.write(one, asked.out))})
    unreadable.tell(found.ids, failures)
    if asked.json:
        show.as_json(done)
        return
    for about in done:
        show.out(show.printable(_line(about)))


def _line(about: dict[str, Any]) -> str:
    """Return `99.9%  cat  photos/12.jpg  class activation map: penult-explain/12-cat-1f6e09ab.png`."""
    if "unreadable" in about:
        return f"   -     {about['file']}  (unreadable: {about['unreadable']})"
    other = "" if about["label"] == about["predicted"] else f"  (predicted: {about['predicted']})"
    head = f"{100 * about['probability']:5.1f}%  {about['label']}{other}  {about['file']}"
    return f"{head}  {about['method']}: {about['picture']}"
